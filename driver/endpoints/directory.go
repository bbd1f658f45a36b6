package endpoints

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"starproxy/driver/scenario"
)

// scenarioRow is a scenario that load_mock_scenario can load by its name.
type scenarioRow struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // yaml, yml, json, star or dir
}

// listScenarios lists those of the directory of scenarios.
func (s *Service) listScenarios(context.Context) ([]scenarioRow, error) {
	list := []scenarioRow{}
	entries, err := os.ReadDir(s.Scenarios)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		name := e.Name()
		switch ext := strings.TrimPrefix(filepath.Ext(name), "."); {
		case strings.HasPrefix(name, "."), strings.HasSuffix(name, "_test.star"):
		case e.IsDir():
			if _, err := os.Stat(scenario.DocumentIn(filepath.Join(s.Scenarios, name))); err == nil {
				list = append(list, scenarioRow{name, "dir"})
			}
		case slices.Contains([]string{"yaml", "yml", "json", "star"}, ext):
			list = append(list, scenarioRow{name, ext})
		}
	}
	return list, nil
}

func (s *Service) listAddons(context.Context) ([]string, error) { return addonNames(s.Addons) }

// addonNames returns the names of the scripts in a directory of addons.
func addonNames(dir string) ([]string, error) {
	names := []string{}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if stem, ok := strings.CutSuffix(e.Name(), ".star"); ok && !e.IsDir() && !strings.HasPrefix(stem, "_") {
			names = append(names, stem)
		}
	}
	return names, nil
}

// addonRow is an addon as the page lists it.
type addonRow struct {
	Name  string `json:"name"`
	File  string `json:"file"`
	Error string `json:"error"` // why its file is not in force, or its last failure
}

func (s *Service) listAddonStatus(context.Context) ([]addonRow, error) {
	list := []addonRow{}
	faults := maps.Clone(s.addons.Faults())
	past := s.past()
	names, err := addonNames(s.Addons)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		file := filepath.Join(s.Addons, name+".star")
		r := scriptRow{fault: faults[name]}
		r.tell(past.failures(file, time.Time{}))
		list = append(list, addonRow{name, file, r.Error})
		delete(faults, name)
	}
	for name, fault := range faults {
		list = append(list, addonRow{name, filepath.Join(s.Addons, name+".star"), fault})
	}
	return list, nil
}
