package cli

// scriptCmd groups the tools for scripts.
type scriptCmd struct {
	Doc scriptDocCmd `cmd:"" help:"Print what scripts can call."`
}
