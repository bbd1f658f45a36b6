package cli

// sessionCommands is the grammar of "session".
type sessionCommands struct {
	Diff sessionDiffCmd `cmd:"" help:"Tell what a device does differently in two sessions."`
}
