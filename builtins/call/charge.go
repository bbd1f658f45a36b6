package call

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"
)

// MaxResult is the memory that one operation of a script may allocate, in bytes. An
// environment may set a lower limit. Values that grow step by step are limited by the
// script host, which measures the memory after each garbage collection.
const MaxResult = 256 << 20

// ErrMemory ends a run when scripts hold too much memory.
var ErrMemory = errors.New("memory limit exceeded")

// MaxBits is the largest product of whole numbers, in bits. The cost of a product
// grows with the square of its length.
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

// Enough charges for an operation that makes size bytes. It returns an error if that
// is more than one operation may make.
func (c *Call) Enough(what string, size int) error {
	if room := c.Room(); size > room {
		return fmt.Errorf("%w: %s would make more than %d bytes at once (scripts.max_memory)", ErrMemory, what, room)
	}
	if err := c.Work(size); err != nil {
		return err
	}
	return c.Reserve(size)
}

// Reserve reserves memory for a value. Small sizes are ignored.
func (c *Call) Reserve(size int) error {
	if size <= Worthwhile || c == nil || c.Env == nil || c.Env.Reserve == nil {
		return nil
	}
	return c.Env.Reserve(size)
}

// Printable returns an error for an int whose conversion to text would take too long.
// The time grows with the square of its length.
func Printable(v starlark.Int) error {
	if bits := v.BigInt().BitLen(); bits > MaxBits {
		return fmt.Errorf("the number has more than %d bits", MaxBits)
	}
	return nil
}

// PerElement is the memory of an element of a list, dict or set, in bytes, without
// the value itself.
const PerElement = 64

// Times returns a * b, or the largest int if the product does not fit.
func Times(a, b int) int {
	if a > 0 && b > (1<<62)/a {
		return 1 << 62
	}
	return a * b
}

// Noticed is the size of a value from which work on it is charged. Worthwhile is the
// size from which memory is reserved. Most values are smaller, so they cost almost
// nothing.
const (
	Noticed    = 4 << 10
	Worthwhile = 1 << 20
)

// BytesPerStep is the number of bytes that a Go function processes in the time of one
// step of the interpreter.
const BytesPerStep = 512

// maxWork is the largest number of steps of one operation. It applies to all runs,
// because an operation cannot be interrupted.
const maxWork = 20_000_000

// Charge adds steps for work outside the interpreter, see [Bounds].
func (c *Call) Charge(steps int) error {
	if steps > maxWork {
		return fmt.Errorf("this would take as long as %d steps at once, want at most %d", steps, maxWork)
	}
	if c == nil || c.Bounds == nil || steps <= 0 {
		return nil
	}
	return c.Bounds.Charge(steps)
}

// Work charges for processing size bytes. A few bytes cost nothing.
func (c *Call) Work(size int) error { return c.Charge(size / BytesPerStep) }

// Aside runs fn. If long is true, it runs fn on another goroutine, see [Bounds].
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

// MaxElements is the largest number of elements that a function of the language may
// process in one step, and MaxSorted the largest number that it may sort. Such a step
// can be stopped neither by a limit nor by the end of the request.
const (
	MaxElements = 10_000_000
	MaxSorted   = 1_000_000
)

// MaxDepth is the largest depth of nested JSON values.
const MaxDepth = 1000

// ErrDepth is the error of a value that is nested too deep.
var ErrDepth = fmt.Errorf("value is nested deeper than %d levels", MaxDepth)
