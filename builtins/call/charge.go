package call

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"
)

// MaxResult is how much one operation of a script may make, in bytes, unless
// an environment says less. What grows step by step is bounded elsewhere: by
// who runs the scripts, after each garbage collection.
const MaxResult = 256 << 20

// ErrMemory ends a run when scripts hold too much memory.
var ErrMemory = errors.New("memory limit exceeded")

// MaxBits bounds products of whole numbers, whose cost grows with the square.
const MaxBits = 1 << 20

// MaxDigits bounds the text that int() reads.
const MaxDigits = 100_000

// Room returns how many bytes one operation may make.
func (c *Call) Room() int {
	if c != nil && c.Env != nil && c.Env.MaxResult > 0 {
		return c.Env.MaxResult
	}
	return MaxResult
}

// Enough refuses an operation that would make more than size bytes, and
// charges for it.
func (c *Call) Enough(what string, size int) error {
	if room := c.Room(); size > room {
		return fmt.Errorf("%w: %s would make more than %d bytes at once (scripts.max_memory)", ErrMemory, what, room)
	}
	if err := c.Work(size); err != nil {
		return err
	}
	return c.Reserve(size)
}

// Reserve claims memory, if it is more than a little.
func (c *Call) Reserve(size int) error {
	if size <= Worthwhile || c == nil || c.Env == nil || c.Env.Reserve == nil {
		return nil
	}
	return c.Env.Reserve(size)
}

// Printable refuses an int whose text would take too long to make: the work
// grows with the square.
func Printable(v starlark.Int) error {
	if bits := v.BigInt().BitLen(); bits > MaxBits {
		return fmt.Errorf("the number has more than %d bits", MaxBits)
	}
	return nil
}

// PerElement is what an element of a list, a dict or a set takes, in bytes, as
// far as it is made along with it.
const PerElement = 64

// Times returns a * b, as large as an int can be.
func Times(a, b int) int {
	if a > 0 && b > (1<<62)/a {
		return 1 << 62
	}
	return a * b
}

// Noticed is the size from which going through a value is charged for, and
// Worthwhile the one from which memory is reserved: most values are small, and
// should cost next to nothing more.
const (
	Noticed    = 4 << 10
	Worthwhile = 1 << 20
)

// BytesPerStep is how much text a function of Go goes through in the time that
// the interpreter takes for a step.
const BytesPerStep = 512

// maxWork is how many steps one operation may be charged for, whatever the limit
// of the run is: nothing can interrupt it.
const maxWork = 20_000_000

// Charge counts steps of work that the interpreter does not see; see [Bounds].
func (c *Call) Charge(steps int) error {
	if steps > maxWork {
		return fmt.Errorf("this would take as long as %d steps at once, want at most %d", steps, maxWork)
	}
	if c == nil || c.Bounds == nil || steps <= 0 {
		return nil
	}
	return c.Bounds.Charge(steps)
}

// Work charges for going through size bytes; little costs nothing more.
func (c *Call) Work(size int) error { return c.Charge(size / BytesPerStep) }

// Aside runs fn beside the run when it may take long; see [Bounds].
func (c *Call) Aside(long bool, name string, fn func()) (err error) {
	if !long || c == nil || c.Bounds == nil {
		fn()
		return nil
	}
	var failed error
	err = c.Bounds.Aside(func() {
		defer Rescue(name, &failed)
		fn()
	})
	if err == nil {
		err = failed
	}
	return err
}

// MaxElements bounds what the functions of the language itself go through in
// one step, where neither a limit nor the end of the request can stop them, and
// MaxSorted what they sort.
const (
	MaxElements = 10_000_000
	MaxSorted   = 1_000_000
)

// MaxDepth bounds how deep JSON values may be nested.
const MaxDepth = 1000

// ErrDepth is the error of a value that is nested too deep.
var ErrDepth = fmt.Errorf("value is nested deeper than %d levels", MaxDepth)
