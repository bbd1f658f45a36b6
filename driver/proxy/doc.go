// Package proxy accepts the devices' connections and makes Exchanges of what
// comes on them: gomitmproxy is the front door, our own server stands behind it.
package proxy
