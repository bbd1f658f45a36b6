package cli

// scenarioCmd groups the commands that make scenarios of other documents.
type scenarioCmd struct {
	Import scenarioImportCmd `cmd:"" help:"Make a scenario of the mock files of another tool."`
}
