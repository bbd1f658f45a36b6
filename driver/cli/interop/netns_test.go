package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Addresses in the network of a [netns].
const (
	gateway4, device4 = "10.77.0.1", "10.77.0.2"
	gateway6, device6 = "fd77::1", "fd77::2"
)

// netns is a network of two hosts, made of namespaces: a gateway, where the proxy runs,
// and a device, whose traffic all goes through it.
type netns struct{ gateway, device string }

// newNetns makes a network, or skips the test where that is not allowed.
func newNetns(t *testing.T) *netns {
	t.Helper()
	forMakeTest(t)
	ip := program(t, "ip")
	program(t, "nft")
	tag := fmt.Sprintf("%d-%s", os.Getpid(), strings.ToLower(t.Name()))
	n := &netns{"spx-gw-" + tag, "spx-dut-" + tag}
	for _, name := range []string{n.gateway, n.device} {
		if out, err := exec.Command(ip, "netns", "add", name).CombinedOutput(); err != nil {
			t.Skipf("no network namespaces can be made here: %v: %s", err, out)
		}
		t.Cleanup(func() { exec.Command(ip, "netns", "del", name).Run() })
	}
	for _, line := range []string{
		"ip link add veth0 netns " + n.gateway + " type veth peer name veth0 netns " + n.device,
		"GW ip link set lo up", "GW ip link set veth0 up", "DUT ip link set lo up", "DUT ip link set veth0 up",
		"GW ip addr add " + gateway4 + "/24 dev veth0", "GW ip addr add " + gateway6 + "/64 dev veth0 nodad",
		"DUT ip addr add " + device4 + "/24 dev veth0", "DUT ip addr add " + device6 + "/64 dev veth0 nodad",
		"DUT ip route add default via " + gateway4, "DUT ip -6 route add default via " + gateway6,
	} {
		argv := strings.Fields(line)
		switch argv[0] {
		case "GW":
			argv = n.in(n.gateway, argv[1:]...)
		case "DUT":
			argv = n.in(n.device, argv[1:]...)
		}
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			t.Skipf("no network can be made here: %s: %v: %s", line, err, out)
		}
	}
	return n
}

// in returns the command line that runs a program in a namespace.
func (n *netns) in(name string, argv ...string) []string {
	return append([]string{"ip", "netns", "exec", name}, argv...)
}

// rules gives the gateway rules of nftables.
func (n *netns) rules(t *testing.T, rules string) {
	t.Helper()
	file := filepath.Join(tempDir(t), "rules.nft")
	write(t, file, "flush ruleset\n"+rules)
	if out := run(t, "", environ(nil), n.in(n.gateway, "nft", "-f", file)...); out.code != 0 {
		t.Skipf("the system takes no such rules: %s", out)
	}
}

// ours starts a bench in the gateway. Listen is the block of that name.
func (n *netns) ours(t *testing.T, listen, more string, args ...string) *bench {
	t.Helper()
	b, config := newBench(t, more)
	b.host = filepath.Join(filepath.Dir(b.dir), "s")
	yaml := strings.Replace(exporterYAML(b.dir, b.port, freePort(t), more), fmt.Sprintf("listen: {host: 127.0.0.1, port: %d}", b.port),
		"listen: "+listen, 1)
	write(t, config, yaml)
	argv := append(n.in(n.gateway, filepath.Join(bin, "starproxy"), "run", "--exporter-config", config, "--socket", b.host), args...)
	b.proc = start(t, filepath.Dir(b.dir), environ(nil, "HOME="+filepath.Dir(b.dir)), []int{0}, argv...)
	b.proc.await(t, "JUMPSTARTER_HOST=")
	b.environ = []string{"JUMPSTARTER_HOST=" + b.host, "JMP_DRIVERS_ALLOW=UNSAFE", "_JMP_SUPPRESS_DRIVER_WARNINGS=1"}
	return b
}

// resolver has the programs of the device ask a server of names.
func (n *netns) resolver(t *testing.T, server string) {
	t.Helper()
	dir := filepath.Join("/etc/netns", n.device) // ip-netns(8) puts its files over those of /etc
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Skipf("the device can't be given a resolver here: %v", err)
	}
	t.Cleanup(func() {
		os.RemoveAll(dir)
		os.Remove("/etc/netns") // if nobody else has files there
	})
	write(t, filepath.Join(dir, "resolv.conf"), "nameserver "+server+"\n")
}

// curl has the device fetch something.
func (n *netns) curl(t *testing.T, args ...string) output {
	t.Helper()
	return run(t, "", environ(nil), n.in(n.device, append([]string{"curl", "-sS", "--max-time", "20", "--noproxy", "*"}, args...)...)...)
}
