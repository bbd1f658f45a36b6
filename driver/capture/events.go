package capture

// minLeftOut is the smallest body that is left out of a list, in bytes.
const minLeftOut = 1 << 10

// listed is an event of a list.
type listed struct {
	entry *Entry
	event *event
	json  []byte
}

// body returns the length of the longer body, 0 when it is too short to be left out.
func (l *listed) body() int {
	n := len(l.event.Body)
	if l.event.Response != nil {
		n = max(n, len(*l.event.Response))
	}
	if n < minLeftOut {
		return 0
	}
	return n
}

// leaveOut leaves the longer body out.
func (l *listed) leaveOut(j *Journal) {
	if l.event.Response != nil && len(*l.event.Response) >= len(l.event.Body) {
		l.event.leaveOutResponse(j, l.entry)
	} else {
		l.event.leaveOutBody(j, l.entry)
	}
	l.json = l.event.json()
}

// Events returns the events of the entries that f matches as one JSON array, oldest
// first, of at most limit bytes (MaxEvent when 0). When they are longer, bodies are left
// out, the longest first: such an event has response_body_omitted or body_omitted, and
// the path of the body. When that does not help, the oldest events are left out:
// earlier_events_omitted of the first event counts them.
func (j *Journal) Events(f Filter, limit int) []byte {
	if limit <= 0 {
		limit = MaxEvent
	}
	const reserve = 64 // for earlier_events_omitted and the brackets
	var items []*listed
	size, omitted := reserve, 0
	for e := range j.Backward(f) {
		if omitted > 0 {
			if f == nil { // no need to look at them all
				j.mu.Lock()
				omitted = int(e.Seq + 2 - min(j.oldest(), e.Seq+1))
				j.mu.Unlock()
				break
			}
			omitted++
			continue
		}
		l := &listed{entry: e, event: j.event(e)}
		l.json = l.event.json()
		items = append(items, l)
		size += len(l.json) + 1
		for size > limit {
			longest := longestBody(items)
			if longest == nil {
				break
			}
			size -= len(longest.json)
			longest.leaveOut(j)
			size += len(longest.json)
		}
		if size > limit && (len(items) == 1 || len(l.json) > limit/16) {
			size -= len(l.json)
			l.event.leaveOutHeaders()
			l.json = l.event.json()
			size += len(l.json)
		}
		if size > limit {
			items = items[:len(items)-1]
			omitted++
		}
	}
	if omitted > 0 && len(items) > 0 {
		first := items[len(items)-1]
		first.event.EarlierOmitted = omitted
		first.json = first.event.json()
	}
	out := make([]byte, 0, size)
	out = append(out, '[')
	for i := len(items) - 1; i >= 0; i-- {
		out = append(out, items[i].json...)
		if i > 0 {
			out = append(out, ',')
		}
	}
	return append(out, ']')
}

func longestBody(items []*listed) *listed {
	var longest *listed
	n := 0
	for _, l := range items {
		if k := l.body(); k > n {
			longest, n = l, k
		}
	}
	return longest
}

// Backward is [Journal.All] from the newest entry to the oldest.
func (j *Journal) Backward(f Filter) func(yield func(*Entry) bool) {
	return func(yield func(*Entry) bool) {
		const step = 64
		var b batch
		list := make([]*Entry, 0, step)
		for high := j.Last(); high > 0; {
			low := uint64(1)
			if high > step {
				low = high - step + 1
			}
			list = j.between(low, high, f, &b, list[:0])
			for i := len(list) - 1; i >= 0; i-- {
				if !yield(list[i]) {
					return
				}
			}
			j.mu.Lock()
			oldest := j.oldest()
			j.mu.Unlock()
			if oldest >= low {
				return
			}
			high = low - 1
		}
	}
}

// between adds the entries from low to high that pass f to list. It reads into b.
func (j *Journal) between(low, high uint64, f Filter, b *batch, list []*Entry) []*Entry {
	for next := low; next <= high; next = b.first + uint64(len(b.ends)) {
		j.read(next, b)
		if len(b.ends) == 0 {
			break
		}
		b.entries(func(e *Entry) bool {
			if e.Seq <= high && f.pass(e) {
				list = append(list, e)
			}
			return e.Seq < high
		})
	}
	return list
}
