// Starproxy mocks, passes on and captures the HTTP and HTTPS traffic of devices
// under test: the Jumpstarter driver jumpstarter-driver-mitmproxy as one program.
//
// "starproxy run" is the place to begin; called as j, or as "starproxy j", it
// controls the proxies of the exporter that JUMPSTARTER_HOST points to.
package main

import (
	"os"

	"starproxy/driver/cli"
)

func main() {
	os.Exit(cli.Main(os.Args))
}
