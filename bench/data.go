package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// Row is a record as it is read.
type Row struct {
	ID    string `json:"id"`
	OldID string `json:"_id"`
	Product
}

// Product is a record as it is written: the columns without the ids, as when
// rows are copied from another table.
type Product struct {
	CreatedAt int64    `json:"created_at"`
	CreatedBy int64    `json:"created_by"`
	UpdatedAt int64    `json:"updated_at"`
	ReadPerm  []string `json:"read_perm"`
	WritePerm []string `json:"write_perm"`
	Name      string   `json:"name"`
	Price     int64    `json:"price"`
	Tags      []string `json:"tags"`
	Geo       Point    `json:"geo"`
}

// Point is a place in GeoJSON.
type Point struct {
	Type        string    `json:"type"`
	Coordinates []float64 `json:"coordinates"`
}

// Page is a list of records as those who write the loop by hand declare it.
type Page struct {
	Meta struct {
		Next string `json:"next"`
	} `json:"meta"`
	Objects []Row `json:"objects"`
}

// Every row is a function of its position, and all of one kind are equally
// long, so that the server can serve any stretch of a table of any size from
// the same prepared bytes. Rows repeat after a period, but for the thousands
// of the second in which they were created, which are patched in.
const (
	perSecond  = 4 // rows created in one second
	period     = 1000 * perSecond
	firstKilo  = 1_500_000 // seconds/1000 of the first row
	firstPrice = 100_000
	pageSize   = 1000
)

func kilo(i int) int64      { return firstKilo + int64(i/period) }
func createdAt(i int) int64 { return firstKilo*1000 + int64(i/perSecond) }
func price(i int) int64     { return firstPrice + int64(i%period)*211 }

// rowID is 24 hexadecimal digits that grow with the position.
func rowID(i int) string { return fmt.Sprintf("5be3f57840%d%07d", kilo(i), i%period) }

func product(i int) Product {
	return Product{
		CreatedAt: createdAt(i), CreatedBy: 36395395, UpdatedAt: createdAt(i),
		ReadPerm: []string{"user:*"}, WritePerm: []string{"user:*"},
		Name: "帆布包 canvas bag, natural, with inner pocket", Price: price(i),
		Tags: []string{"bag", "耳机", "new"},
		Geo:  Point{"Point", []float64{116.397128, 39.916527}},
	}
}

func row(i int) Row { return Row{ID: rowID(i), OldID: rowID(i), Product: product(i)} }

// tally is what a job has read or written. A row that is lost, doubled or
// damaged shows in one of the sums.
type tally struct{ Rows, Price, Created int64 }

func (t *tally) add(p *Product) {
	t.Rows++
	t.Price += p.Price
	t.Created += p.CreatedAt
}

// want is the tally of the rows from 0 to n.
func want(n int) tally {
	t := tally{Rows: int64(n)}
	for i := range n {
		t.Price += price(i)
		t.Created += createdAt(i)
	}
	return t
}

// layout knows where the numbers stand in an encoded row.
type layout struct {
	width, price, created int
}

func newLayout(encoded []byte) layout {
	after := func(name string) int { return bytes.Index(encoded, []byte(name)) + len(name) }
	return layout{len(encoded), after(`"price":`), after(`"created_at":`)}
}

const priceDigits, secondDigits = 6, 10

// add adds an encoded row to a tally without decoding it.
func (l layout) add(t *tally, row []byte) error {
	if len(row) != l.width {
		return fmt.Errorf("a row of %d bytes, not %d: %.80s", len(row), l.width, row)
	}
	cost, ok := digits(row[l.price:][:priceDigits])
	moment, good := digits(row[l.created:][:secondDigits])
	if !ok || !good {
		return fmt.Errorf("no numbers where they should be: %.80s", row)
	}
	t.Rows++
	t.Price += cost
	t.Created += moment
	return nil
}

func digits(text []byte) (n int64, ok bool) {
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, true
}

// prepared is one period of rows, encoded, each with a comma behind it.
type prepared struct {
	layout
	bytes   []byte
	patches []int // where in a row the thousands of the second stand
}

func prepare() (prepared, error) {
	var p prepared
	for i := range period {
		encoded, err := json.Marshal(row(i))
		if err != nil {
			return p, err
		}
		if i == 0 {
			p.layout = newLayout(encoded)
			p.patches = positions(encoded, strconv.Itoa(firstKilo))
		}
		p.bytes = append(append(p.bytes, encoded...), ',')
	}
	if len(p.bytes) != period*(p.width+1) {
		return p, fmt.Errorf("the rows are not all %d bytes long", p.width)
	}
	return p, nil
}

func positions(text []byte, part string) (at []int) {
	for i := range text {
		if bytes.HasPrefix(text[i:], []byte(part)) {
			at = append(at, i)
		}
	}
	return at
}

// appendRows appends the rows from one position to another, with commas
// between them.
func (p *prepared) appendRows(dst []byte, from, to int) []byte {
	stride := p.width + 1
	for i := from; i < to; {
		n := min(period-i%period, to-i)
		start := len(dst)
		dst = append(dst, p.bytes[i%period*stride:][:n*stride]...)
		thousands := strconv.AppendInt(nil, kilo(i), 10)
		for at := start; at < len(dst); at += stride {
			for _, patch := range p.patches {
				copy(dst[at+patch:], thousands)
			}
		}
		i += n
	}
	if from < to {
		dst = dst[:len(dst)-1]
	}
	return dst
}
