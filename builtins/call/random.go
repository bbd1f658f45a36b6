package call

import (
	crand "crypto/rand"
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"sync"

	"github.com/google/uuid"
	"go.starlark.net/starlark"
)

// Random is the source of random numbers of a host. With a seed, the same calls return
// the same values. Any number of goroutines may use it.
type Random struct {
	mu     sync.Mutex
	rng    *rand.Rand
	seed   uint64
	seeded bool
}

// NewRandom makes a source. Nil means a random seed.
func NewRandom(seed *uint64) *Random {
	r := &Random{}
	if seed != nil {
		r.Seed(*seed)
		return r
	}
	var b [16]byte
	crand.Read(b[:])
	r.rng = rand.New(rand.NewPCG(binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])))
	return r
}

// Seed starts the source again from seed.
func (r *Random) Seed(seed uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seed, r.seeded = seed, true
	r.rng = rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))
}

// Reset starts a source with a seed again. A source without a seed goes on.
func (r *Random) Reset() {
	if r.seeded {
		r.Seed(r.seed)
	}
}

// Int64N returns a number from 0 to n-1; n must be positive.
func (r *Random) Int64N(n int64) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rng.Int64N(n)
}

// Between returns a number from lo to end, without end. end must be more than lo.
func (r *Random) Between(lo, end *big.Int) starlark.Value {
	span := new(big.Int).Sub(end, lo)
	if span.IsInt64() {
		n := big.NewInt(r.Int64N(span.Int64()))
		return starlark.MakeBigInt(n.Add(n, lo))
	}
	bits := span.BitLen()
	buf := make([]byte, (bits+7)/8)
	for n := new(big.Int); ; {
		r.Read(buf)
		buf[0] &= byte(0xff >> (8*len(buf) - bits))
		if n.SetBytes(buf); n.Cmp(span) < 0 {
			return starlark.MakeBigInt(n.Add(n, lo))
		}
	}
}

// Uint64 returns any number.
func (r *Random) Uint64() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rng.Uint64()
}

// Float64 returns a number from 0 to 1, without 1.
func (r *Random) Float64() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rng.Float64()
}

// NormFloat64 returns a number of the normal distribution with the mean 0 and
// the standard deviation 1.
func (r *Random) NormFloat64() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rng.NormFloat64()
}

// Read fills p.
func (r *Random) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := 0; i < len(p); i += 8 {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], r.rng.Uint64())
		copy(p[i:], b[:])
	}
	return len(p), nil
}

// UUID returns a random UUID (version 4).
func (r *Random) UUID() string {
	var b uuid.UUID
	r.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return b.String()
}
