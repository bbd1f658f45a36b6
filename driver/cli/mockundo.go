package cli

import "context"

type mockUndoCmd struct{}

// Help lists the changes.
func (mockUndoCmd) Help() string {
	return `The latest "mock set", "mock remove", "mock clear", "mock reset", "mock load" or edit in the page is undone; a second call undoes the one before, up to 20. Mocks that tests have set one by one since then stay.`
}

// Run undoes one change.
func (c *mockUndoCmd) Run(ctx context.Context, sys *System, p proxy) error {
	return p.say(ctx, sys, "undo_mocks")
}
