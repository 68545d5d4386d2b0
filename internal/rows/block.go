package rows

import "encoding/binary"

// block is 64 bytes of the data, so that a word has one bit for each of them.
type block [64]byte

// blockAt is the block at a place. Where the data ends within it, spare is
// filled with what is left, and zeros.
func blockAt(data []byte, at int, spare *block) *block {
	if at+len(spare) <= len(data) {
		return (*block)(data[at:])
	}
	clear(spare[copy(spare[:], data[at:]):])
	return spare
}

// inside knows between two blocks whether the next byte is inside of a string,
// and whether it is escaped.
type inside struct {
	text    uint64 // every bit or none
	escaped uint64 // the lowest bit or none
}

// brackets marks the brackets of the next block that are not in strings. A few
// bytes that JSON has in strings only look like brackets outside of them.
func (in *inside) brackets(b *block) uint64 {
	var quotes, found, slashes uint64
	for i := 0; i < len(b); i += 8 {
		word := binary.LittleEndian.Uint64(b[i:])
		quotes = quotes>>8 | gather(zeros(word^each*'"'))
		found = found>>8 | gather(zeros(word|each*differing^each*bracket))
		slashes |= zeros(word ^ each*'\\')
	}
	if slashes|in.escaped != 0 {
		quotes &^= in.escapes(b)
	}
	text := quotes // behind an odd number of quotes
	text ^= text << 1
	text ^= text << 2
	text ^= text << 4
	text ^= text << 8
	text ^= text << 16
	text ^= text << 32
	text ^= in.text
	in.text = -(text >> 63)
	return found &^ text
}

// escapes marks what stands behind a backslash that is not itself escaped.
func (in *inside) escapes(b *block) uint64 {
	var slashes uint64
	for i := 0; i < len(b); i += 8 {
		slashes = slashes>>8 | gather(zeros(binary.LittleEndian.Uint64(b[i:])^each*'\\'))
	}
	marks := in.escaped
	in.escaped = 0
	for slashes &^= marks; slashes != 0; {
		first := slashes & -slashes
		marks |= first << 1
		in.escaped = first >> 63
		slashes &^= first | first<<1
	}
	return marks
}

const (
	each      = 0x0101010101010101
	differing = ('{' ^ '}') | ('{' ^ '[') // the bits in which the four brackets differ
	bracket   = '{' | '}' | '[' | ']'
)

// zeros marks the bytes of a word that are zero in their highest bit.
func zeros(word uint64) uint64 {
	const low = each * 0x7f
	return ^((word&low + low) | word | low)
}

// gather moves the highest bit of every byte to the highest byte.
func gather(marks uint64) uint64 {
	return marks * 0x02040810204081 &^ (1<<56 - 1)
}
