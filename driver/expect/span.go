package expect

import (
	"fmt"
	"math"

	"go.yaml.in/yaml/v3"

	"starproxy/driver/document"
)

// Span is a range of numbers, none of which is negative. In documents, a number alone is
// both ends.
type Span struct{ Min, Max float64 }

// UnmarshalYAML reads a number, or a map with min and max.
func (s *Span) UnmarshalYAML(n *yaml.Node) error { return s.read(n, false) }

// read reads a span. With most, a number alone is the largest value.
func (s *Span) read(n *yaml.Node, most bool) error {
	if f, ok := document.Float(n); ok && f >= 0 {
		if *s = (Span{f, f}); most {
			s.Min = 0
		}
		return nil
	}
	var ends struct {
		Min *float64 `yaml:"min"`
		Max *float64 `yaml:"max"`
	}
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		return document.Errorf(n, "got %s, want a number of at least 0, or a map with min, max or both", document.Describe(n))
	}
	if err := document.DecodeAt(n, &ends, ""); err != nil {
		return err
	}
	*s = Span{0, math.Inf(1)}
	if ends.Min != nil {
		s.Min = *ends.Min
	}
	if ends.Max != nil {
		s.Max = *ends.Max
	}
	if s.Min < 0 || s.Max < s.Min {
		return document.Errorf(n, "got the range %s, want 0 <= min <= max", s)
	}
	return nil
}

// String returns the range in words: "3", "at least 1", "1 to 4".
func (s Span) String() string {
	switch {
	case s.Min == s.Max:
		return fmt.Sprintf("%.4g", s.Min)
	case math.IsInf(s.Max, 1):
		return fmt.Sprintf("at least %.4g", s.Min)
	case s.Min == 0:
		return fmt.Sprintf("at most %.4g", s.Max)
	}
	return fmt.Sprintf("%.4g to %.4g", s.Min, s.Max)
}

// Jitter is a Span of shares from 0 to 1, for which a number alone is the largest one.
type Jitter struct{ Span }

// UnmarshalYAML reads a number, or a map with min and max.
func (j *Jitter) UnmarshalYAML(n *yaml.Node) error {
	if err := j.read(n, true); err != nil {
		return err
	}
	if math.IsInf(j.Max, 1) {
		j.Max = 1
	}
	return nil
}
