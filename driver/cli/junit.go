package cli

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"starproxy/builtins/disk"
)

// The JUnit XML that CI servers read.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Time     string       `xml:"time,attr"` // seconds
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr,omitempty"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitFailure `xml:"failure"`
		Skipped *junitSkipped `xml:"skipped"`
		Output  string        `xml:"system-out,omitempty"`
	}
	junitSkipped struct {
		Message string `xml:"message,attr"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// writeJUnit writes results to a file.
func writeJUnit(path string, suites []testSuite) error {
	doc := junitSuites{}
	var all time.Duration
	for _, s := range suites {
		passed, failed := count([]testSuite{s})
		js := junitSuite{Name: s.name, Tests: passed + failed, Failures: failed, Time: seconds(s.duration())}
		class := strings.ReplaceAll(strings.TrimSuffix(s.name, ".star"), "/", ".")
		for _, r := range s.results {
			jc := junitCase{Class: class, Name: r.Name, Time: seconds(r.Duration), Output: r.Output}
			if jc.Name == "" {
				jc.Name = "load"
			}
			if r.Err != nil {
				jc.Failure = &junitFailure{oneLine(r.Err), explain(r.Err)}
			}
			js.Cases = append(js.Cases, jc)
		}
		doc.Suites = append(doc.Suites, js)
		doc.Tests += js.Tests
		doc.Failures += failed
		all += s.duration()
	}
	doc.Time = seconds(all)
	return saveJUnit(path, doc)
}

// saveJUnit writes a document to a file.
func saveJUnit(path string, doc junitSuites) error {
	data, err := xml.MarshalIndent(doc, "", "  ")
	if err != nil {
		return err
	}
	return saveFile(path, public, disk.Bytes(append([]byte(xml.Header), append(data, '\n')...)))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.4f", d.Seconds()) }
