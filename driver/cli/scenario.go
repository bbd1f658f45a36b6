package cli

// scenarioCmd groups the commands that make scenarios of other documents.
type scenarioCmd struct {
	FromOpenAPI scenarioFromOpenAPICmd `cmd:"" name:"from-openapi" help:"Make a scenario of an OpenAPI document."`
	Import      scenarioImportCmd      `cmd:"" help:"Make a scenario of the mock files of another tool."`
}
