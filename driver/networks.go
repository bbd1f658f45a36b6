package driver

import (
	"context"
	"fmt"

	"starproxy/driver/network"
	"starproxy/driver/rpc"
)

// networks are the methods about the networks that devices are on.
type networks struct{ table *network.Table }

// rows are for the table of methods.
func (s *networks) rows() []rpc.Row {
	where := []rpc.Param{rpc.With("host", ""), rpc.With("client", "")}
	return []rpc.Row{
		rpc.New("set_network", "Put devices on a network: the name of a profile such as edge, or a JSON object of profile, down, up, "+
			"latency, jitter, loss, outage and offline; for one host (a name, an address or *.domain) and one client (an address or a "+
			"range), or for all.", s.set,
			append([]rpc.Param{rpc.Need("profile_json")}, where...)...),
		rpc.New("show_network", "List the network profiles that are set as JSON, the closest first.", s.show),
		rpc.New("list_network_profiles", "List the network profiles that have names as JSON, with their values.", s.profiles),
		rpc.New("clear_network", "Remove the network profile of a host and a client, or all, also those of the scenario.", s.clear,
			where...),
	}
}

// parseNetworkKey reads the arguments host and client of a method.
func parseNetworkKey(method, host, client string) (network.Key, error) {
	k, about, err := network.ParseKey(host, client)
	if err != nil {
		return k, &rpc.Refusal{Code: rpc.InvalidArgument, About: about, Text: method + ": " + err.Error()}
	}
	return k, nil
}

func (s *networks) set(_ context.Context, profile, host, client string) (string, error) {
	k, err := parseNetworkKey("set_network", host, client)
	if err != nil {
		return "", err
	}
	p, err := network.Parse(profile)
	if err != nil {
		return "", &rpc.Refusal{Code: rpc.InvalidArgument, About: "profile_json", Text: "set_network: " + err.Error()}
	}
	s.table.Set(k, p)
	text := p.Title()
	if p.Name != "" && p.Name != p.Values() {
		text += " (" + p.Values() + ")"
	}
	return fmt.Sprintf("Network set for %s: %s", k, text), nil
}

func (s *networks) show(context.Context) ([]network.Row, error) { return s.table.List(), nil }

func (s *networks) profiles(context.Context) ([]network.Profile, error) {
	return network.Presets(), nil
}

func (s *networks) clear(_ context.Context, host, client string) (string, error) {
	var which *network.Key
	if host != "" || client != "" {
		k, err := parseNetworkKey("clear_network", host, client)
		if err != nil {
			return "", err
		}
		which = &k
	}
	return fmt.Sprintf("Network profiles removed: %d", s.table.Clear(which)), nil
}

// Reset removes what methods have set.
func (s *networks) Reset() { s.table.Reset() }
