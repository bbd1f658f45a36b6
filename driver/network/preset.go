package network

import (
	"slices"
	"time"

	"starproxy/builtins/nearest"
)

// Presets returns the profiles that have names, the slowest of each source first.
//
//   - slow-3g, fast-3g and 4g are "3G", "Slow 4G" (named Fast 3G until 2024) and "Fast 4G" of Chrome DevTools:
//     front_end/core/sdk/NetworkManager.ts of devtools-frontend. The rates are its constants download and
//     upload in bits, the latency is its targetLatency, which is the time of a round
//     trip. DevTools delays each request once, so it multiplies that time (by 5, 3.75
//     and 2.75: 2000, 562.5 and 165 ms) for the round trips of DNS, TCP and TLS that it
//     does not delay. A Line delays each round trip but the TCP handshake.
//   - gsm, gprs, edge, umts, hsdpa and lte have the rates of -netspeed and the
//     latencies of -netdelay of the Android emulator, as emulator -help-netspeed and
//     -help-netdelay print them. The middle between the least and the greatest latency
//     is the latency, and half of the difference the jitter.
//   - satellite is a link over a geostationary satellite: 600 ms for a round trip (RFC
//     2488 section 2 has 558 ms for the way alone), 25 and 3 Mbit/s (the broadband
//     benchmark of the FCC from 2015 to 2024).
//   - tunnel is 4g with outages: in each minute nothing passes for 15 seconds.
//   - offline lets nothing pass.
func Presets() []Profile {
	const ms = time.Millisecond
	return []Profile{
		{Name: "slow-3g", Down: 400 * Kbit, Up: 400 * Kbit, Latency: 400 * ms},
		{Name: "fast-3g", Down: 1440 * Kbit, Up: 675 * Kbit, Latency: 150 * ms},
		{Name: "4g", Down: 8100 * Kbit, Up: 1350 * Kbit, Latency: 60 * ms},
		{Name: "gsm", Down: 14400, Up: 14400, Latency: 350 * ms, Jitter: 200 * ms},
		{Name: "gprs", Down: 57600, Up: 28800, Latency: 117500 * time.Microsecond, Jitter: 82500 * time.Microsecond},
		{Name: "edge", Down: 473600, Up: 473600, Latency: 240 * ms, Jitter: 160 * ms},
		{Name: "umts", Down: 384 * Kbit, Up: 384 * Kbit, Latency: 117500 * time.Microsecond, Jitter: 82500 * time.Microsecond},
		{Name: "hsdpa", Down: 13980 * Kbit, Up: 5760 * Kbit},
		{Name: "lte", Down: 173 * Mbit, Up: 58 * Mbit},
		{Name: "satellite", Down: 25 * Mbit, Up: 3 * Mbit, Latency: 600 * ms, Jitter: 40 * ms},
		{Name: "tunnel", Down: 8100 * Kbit, Up: 1350 * Kbit, Latency: 60 * ms, Outage: Outage{time.Minute, 15 * time.Second}},
		{Name: "offline", Offline: true},
	}
}

// PresetNames returns the names of the presets.
func PresetNames() []string {
	var names []string
	for _, p := range Presets() {
		names = append(names, p.Name)
	}
	return names
}

// preset returns the preset of that name. Without one near is the name that may be
// meant.
func preset(name string) (p Profile, near string, ok bool) {
	all := Presets()
	if i := slices.IndexFunc(all, func(p Profile) bool { return p.Name == name }); i >= 0 {
		return all[i], "", true
	}
	return Profile{}, nearest.Name(name, PresetNames()), false
}
