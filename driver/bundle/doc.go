// Package bundle writes and opens the files in which a session of a proxy is kept:
// bundles, which are ZIP archives with all that tells about a session, and the
// recordings that flow reads.
//
// [Open] tells by the content of a file which kind it is. It trusts no archive: names
// that lead out of it, sizes beyond fixed limits and archives with very many files are
// errors. [Create] writes a bundle within a size; it tells in the manifest which parts
// of a session are left out.
//
// A Session and a Writer are for one goroutine.
package bundle

// The names of the files of a bundle. A file is missing when there is nothing to put
// into it, or when the manifest tells why it is left out.
const (
	Readme    = "README.txt"
	Report    = "report.html"
	HAR       = "session.har"
	Flows     = "session.flow"
	PCAPNG    = "session.pcapng"
	Status    = "status.json"
	Timeline  = "timeline.jsonl"
	Log       = "log.jsonl"
	Misses    = "misses.json"
	TLS       = "tls.json"
	Coverage  = "coverage.json"
	Contract  = "contract.json"
	Replay    = "replay.sh"
	Exporter  = "replay.yaml" // the exporter file of replay.sh
	Manifests = "manifest.json"
	// Scenario and Scripts are the directories of the scenario in force with the files
	// that it loads and serves, and of the scripts of addons.
	Scenario = "scenario"
	Scripts  = "scripts"
)
