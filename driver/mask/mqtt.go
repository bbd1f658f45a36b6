package mask

import "encoding/binary"

// The flags of the packet CONNECT that tell which fields its payload has.
const (
	mqttWill     = 1 << 2
	mqttPassword = 1 << 6
	mqttUser     = 1 << 7
)

// seekMQTT finds the password of a text that begins with MQTT's packet CONNECT (MQTT
// 3.1.1 and 5.0, section 3.1).
func seekMQTT(b []byte, found func(span)) {
	if len(b) < 12 || b[0] != 0x10 {
		return
	}
	r := mqttReader{b: b, at: 1}
	r.number() // the length of the rest
	from, to := r.text()
	if r.bad || string(b[from:to]) != "MQTT" && string(b[from:to]) != "MQIsdp" || r.at+4 > len(b) {
		return
	}
	five, flags := b[r.at] == 5, b[r.at+1]
	r.at += 4 // level, flags, and the time between signs of life
	properties := func() {
		if five {
			r.skip(r.number())
		}
	}
	properties()
	r.text() // the name of the client
	if flags&mqttWill != 0 {
		properties()
		r.text()
		r.text()
	}
	if flags&mqttUser != 0 {
		r.text()
	}
	if flags&mqttPassword == 0 {
		return
	}
	if from, to := r.text(); !r.bad && from < to {
		found(span{from: from, to: to, value: string(b[from:to])})
	}
}

// mqttReader reads fields of MQTT. bad is true after one that is not whole.
type mqttReader struct {
	b   []byte
	at  int
	bad bool
}

// number reads a number of one to four bytes (section 1.5.5 of MQTT 5.0).
func (r *mqttReader) number() (n int) {
	for shift := 0; shift < 28; shift += 7 {
		if r.at >= len(r.b) {
			break
		}
		c := r.b[r.at]
		r.at++
		n |= int(c&0x7f) << shift
		if c < 0x80 {
			return n
		}
	}
	r.bad = true
	return 0
}

func (r *mqttReader) skip(n int) {
	if r.bad = r.bad || n > len(r.b)-r.at; !r.bad {
		r.at += n
	}
}

// text reads a text or bytes with their length, and returns the bounds.
func (r *mqttReader) text() (from, to int) {
	if r.bad = r.bad || r.at+2 > len(r.b); r.bad {
		return 0, 0
	}
	n := int(binary.BigEndian.Uint16(r.b[r.at:]))
	r.at += 2
	from = r.at
	r.skip(n)
	if r.bad {
		return 0, 0
	}
	return from, r.at
}
