package driver

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"starproxy/driver/document"
)

// readConfig reads a `config:` block as an exporter file has it.
func readConfig(filename string, data []byte) (Config, error) {
	c := DefaultConfig()
	c.File = filename
	if err := document.Decode(filename, data, &c); err != nil {
		return Config{}, err
	}
	return c, nil
}

func TestConfig(t *testing.T) {
	t.Parallel()
	c, err := readConfig("x.yaml", []byte("directories: {data: /srv/p, conf: /etc/ca}\nseed: 7\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.resolve(); err != nil {
		t.Fatal(err)
	}
	want := Directories{"/srv/p", "/etc/ca", "/srv/p/flows", "/srv/p/addons", "/srv/p/mock-responses", "/srv/p/mock-files"}
	if c.Directories != want {
		t.Errorf("%+v", c.Directories)
	}
	if !reflect.DeepEqual(c.Listen, Listen{Host: "0.0.0.0", Port: 8080, IdleTimeout: 180, TunnelIdleTimeout: 3600}) || c.Web != (Web{"0.0.0.0", 8081}) || !c.SSLInsecure || c.Unmatched != Passthrough || *c.Seed != 7 {
		t.Errorf("%+v", c)
	}
}

func TestConfigDevices(t *testing.T) {
	t.Parallel()
	c, err := readConfig("x.yaml", []byte("devices: {10.0.0.7: charger-07, '2001:db8::1': meter}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[netip.Addr]string{netip.MustParseAddr("10.0.0.7"): "charger-07", netip.MustParseAddr("2001:db8::1"): "meter"}
	if got := c.names(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"listen: {prot: 1}":                                           `x.yaml:1:10: unknown key "prot" in listen; did you mean "port"?`,
		"listen: {clients: [10.0.0.300]}":                             `x.yaml:1:20: listen.clients[0]: got "10.0.0.300", want an address such as 10.0.0.7 or a range such as 10.0.0.0/24`,
		"listen: {clients: [10.0.0.7/24]}":                            `x.yaml:1:20: listen.clients[0]: got 10.0.0.7/24, want 10.0.0.0/24 for the range or 10.0.0.7 for the address`,
		"listen: {clients: ['fe80::1%eth0']}":                         `x.yaml:1:20: listen.clients[0]: got fe80::1%eth0, want it without the zone %eth0`,
		"listen: {clients: 10.0.0.7}":                                 `x.yaml:1:19: listen.clients: got the text "10.0.0.7", want a list`,
		"listen: {users: [a, 'dut:secret']}":                          `x.yaml:1:21: listen.users[1]: got a name with a colon, want the user's name alone: passwords are not looked at`,
		"listen: {users: ['']}":                                       `x.yaml:1:18: listen.users[0]: got an empty name, want that of a proxy user`,
		"listen: {modes: [transparant@80]}":                           `x.yaml:1:18: listen.modes[0]: got "transparant", want one of regular, transparent, reverse, socks5, upstream, dns; did you mean transparent?`,
		"listen: {modes: [socks5@8080]}":                              "listen.modes[0]: got port 8080, want one that listen.port does not have",
		"listen: {modes: [socks5, regular@1080]}":                     "listen.modes[1]: got port 1080, want one that listen.modes[0] does not have",
		"listen: {modes: ['upstream:http://a', 'upstream:http://b']}": "listen.modes[1]: got a second upstream proxy, want one at most",
		"listen: {no_proxy: ['a,b']}":                                 `listen.no_proxy[0]: got "a,b", want a host, a .domain, an address, a range of addresses or *`,
		"dns: {names: ['a b']}":                                       `dns.names[0]: host: got "a b", want letters, digits, dots, hyphens and underscores; patterns are a host, *.domain or *`,
		"dns: {addresses: [0.0.0.0]}":                                 `dns.addresses[0]: got "0.0.0.0", want an address of the proxy`,
		"dns: {forward: [dns.test]}":                                  `dns.forward[0]: got "dns.test", want an address such as 9.9.9.9 or [2620:fe::fe]:53`,
		"dns: {ttl: -1}":                                              "dns.ttl: got -1, want seconds from 0 to 86400 (a day)",
		"devices: {10.0.0.700: a}":                                    `devices: got "10.0.0.700", want an IP address`,
		"devices: {10.0.0.7: \"a\\u0007\"}":                           `want a name without control characters`,
		"listen: {allow: [10.0.0.7/24]}":                              `x.yaml:1:18: listen.allow[0]: got 10.0.0.7/24, want 10.0.0.0/24 for the range or 10.0.0.7 for the address`,
		"listen: {auth: [secret]}":                                    `x.yaml:1:17: listen.auth[0]: got a text without a colon, want name:password`,
		"listen: {ignore_hosts: ['(']}":                               `listen.ignore_hosts[0]: got "(", want a regular expression on host:port`,
		"listen: {port: 70000}":                                       "listen.port: got 70000, want a port from 0 to 65535",
		"listen: {idle_timeout: -1}":                                  "listen.idle_timeout: got -1, want seconds from 0 to 31536000 (a year)",
		"listen: {tunnel_idle_timeout: 31536001}":                     "listen.tunnel_idle_timeout: got 3.1536001e+07, want seconds from 0 to 31536000 (a year)",
		"web: {port: -1}":                                             "web.port: got -1, want a port from 0 to 65535",
		"tls: {min_version: 1.4}":                                     `got "1.4", want 1.0, 1.1, 1.2 or 1.3`,
		"tls: {min_version: ssl3}":                                    `got "ssl3", want 1.0, 1.1, 1.2 or 1.3`,
		"tls: {max_version: 1.2}":                                     `max_version`,
		"unmatched: drop":                                             `got "drop", want passthrough or reject`,
		"mocks: [1]":                                                  "mocks: got a list, want a map of endpoints",
		"capture: {max_bytes: -1}":                                    "capture.max_bytes: got -1, want 0 or more bytes",
		"scripts: {max_time: -1}":                                     "scripts.max_time: got -1, want seconds from 0 to 86400 (a day)",
		"scripts: {max_steps: -1}":                                    "scripts.max_steps: got -1, want 0 or more steps",
		"scripts: {max_memory: -1}":                                   "scripts.max_memory: got -1, want 0 or more bytes",
		"scripts: {max_body: -1}":                                     "scripts.max_body: got -1, want 0 or more bytes",
	} {
		c, err := readConfig("x.yaml", []byte(text))
		if err == nil {
			_, err = New(c, Options{})
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}
