//go:build ignore

// Command gen writes tz_transitions.jsonl.gz from an installed copy of the IANA
// time zone database:
//
//	go run gen.go -zoneinfo DIR
//
// DIR holds the compiled zones together with zone1970.tab, iso3166.tab and
// tzdata.zi, as system packages of the database install them. README.md in this
// directory describes the result.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"
)

// row is one line of the data set; README.md documents the columns.
type row struct {
	Key                   string   `json:"key"`
	Zone                  string   `json:"zone"`
	Area                  string   `json:"area"`
	Aliases               []string `json:"aliases"`
	Countries             []string `json:"countries"`
	CountryNames          []string `json:"country_names"`
	Comments              *string  `json:"comments"`
	Latitude              float64  `json:"latitude"`
	Longitude             float64  `json:"longitude"`
	ChangedAt             string   `json:"changed_at"`
	ChangedOn             string   `json:"changed_on"`
	UnixTime              int64    `json:"unix_time"`
	Abbreviation          string   `json:"abbreviation"`
	OffsetSeconds         int      `json:"offset_seconds"`
	IsDST                 bool     `json:"is_dst"`
	PreviousAbbreviation  string   `json:"previous_abbreviation"`
	PreviousOffsetSeconds int      `json:"previous_offset_seconds"`
	PreviousIsDST         bool     `json:"previous_is_dst"`
}

// zoneLine is one line of zone1970.tab.
type zoneLine struct {
	name                string
	countries           []string
	latitude, longitude float64
	comments            *string
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("gen: ")
	dir := flag.String("zoneinfo", "", "directory of the time zone database (required)")
	out := flag.String("out", "tz_transitions.jsonl.gz", "file to write")
	first := flag.Int("first", 1970, "first year, in UTC")
	last := flag.Int("last", 1999, "last year, in UTC")
	flag.Parse()
	if *dir == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*dir, *out, *first, *last); err != nil {
		log.Fatal(err)
	}
}

func run(dir, out string, first, last int) error {
	names, err := readCountries(filepath.Join(dir, "iso3166.tab"))
	if err != nil {
		return err
	}
	version, aliases, err := readSource(filepath.Join(dir, "tzdata.zi"))
	if err != nil {
		return err
	}
	zones, err := readZones(filepath.Join(dir, "zone1970.tab"))
	if err != nil {
		return err
	}

	rows, err := changes(dir, zones, names, aliases, first, last)
	if err != nil {
		return err
	}
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	enc.SetEscapeHTML(false)
	for _, r := range rows {
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	packed, err := pack(lines.Bytes())
	if err != nil {
		return err
	}
	if err := os.WriteFile(out, packed, 0o644); err != nil {
		return err
	}
	fmt.Printf("time zone database %s: %d rows, %d bytes, %d bytes packed\nsha256 of the lines: %x\n",
		version, len(rows), lines.Len(), len(packed), sha256.Sum256(lines.Bytes()))
	return nil
}

// changes returns the changes of all clocks in the years from first to last, in
// their order, each with the names of its countries and the aliases of its zone.
func changes(dir string, zones []zoneLine, names map[string]string, aliases map[string][]string, first, last int) ([]row, error) {
	var rows []row
	from := time.Date(first, 1, 1, 0, 0, 0, 0, time.UTC)
	to := time.Date(last+1, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, z := range zones {
		rs, err := transitions(dir, z, from, to)
		if err != nil {
			return nil, err
		}
		for i := range rs {
			rs[i].Aliases = append([]string{}, aliases[z.name]...)
			for _, code := range z.countries {
				name, ok := names[code]
				if !ok {
					return nil, fmt.Errorf("%s: no name for country %s", z.name, code)
				}
				rs[i].CountryNames = append(rs[i].CountryNames, name)
			}
		}
		rows = append(rows, rs...)
	}
	sort.Slice(rows, func(i, j int) bool {
		if rows[i].UnixTime != rows[j].UnixTime {
			return rows[i].UnixTime < rows[j].UnixTime
		}
		return rows[i].Zone < rows[j].Zone
	})
	return rows, nil
}

// pack compresses lines. The zero gzip header has neither a name nor a time, so
// that the same lines give the same file.
func pack(lines []byte) ([]byte, error) {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(lines); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// transitions returns the changes of z's clock with from <= t < to, latest
// first.
func transitions(dir string, z zoneLine, from, to time.Time) ([]row, error) {
	data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(z.name)))
	if err != nil {
		return nil, err
	}
	loc, err := time.LoadLocationFromTZData(z.name, data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", z.name, err)
	}
	area, _, _ := strings.Cut(z.name, "/")

	var rows []row
	for t := to.Add(-time.Second).In(loc); ; {
		start, _ := t.ZoneBounds()
		if start.IsZero() || start.Before(from) {
			return rows, nil
		}
		t = start.Add(-time.Second)
		abbr, offset := start.Zone()
		prevAbbr, prevOffset := t.Zone()
		if abbr == prevAbbr && offset == prevOffset && start.IsDST() == t.IsDST() {
			continue // an entry of the table that changes nothing
		}
		utc := start.UTC()
		rows = append(rows, row{
			Key:                   z.name + "@" + utc.Format(time.RFC3339),
			Zone:                  z.name,
			Area:                  area,
			Countries:             z.countries,
			Comments:              z.comments,
			Latitude:              z.latitude,
			Longitude:             z.longitude,
			ChangedAt:             utc.Format(time.RFC3339),
			ChangedOn:             utc.Format(time.DateOnly),
			UnixTime:              utc.Unix(),
			Abbreviation:          abbr,
			OffsetSeconds:         offset,
			IsDST:                 start.IsDST(),
			PreviousAbbreviation:  prevAbbr,
			PreviousOffsetSeconds: prevOffset,
			PreviousIsDST:         t.IsDST(),
		})
	}
}

// readLines calls f with every line of the file that is neither empty nor a
// comment.
func readLines(path string, f func(line string) error) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	s := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; s.Scan(); n++ {
		line := s.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		if err := f(line); err != nil {
			return fmt.Errorf("%s:%d: %w", path, n, err)
		}
	}
	return s.Err()
}

// readCountries reads the names of the country codes from iso3166.tab.
func readCountries(path string) (map[string]string, error) {
	names := map[string]string{}
	err := readLines(path, func(line string) error {
		code, name, ok := strings.Cut(line, "\t")
		if !ok {
			return fmt.Errorf("want two columns: %q", line)
		}
		names[code] = name
		return nil
	})
	return names, err
}

// readSource reads the version of the database and, for each zone, its other
// names from tzdata.zi, whose link lines are "L ZONE ALIAS".
func readSource(path string) (version string, aliases map[string][]string, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", nil, err
	}
	head, _, _ := strings.Cut(string(data), "\n")
	version, ok := strings.CutPrefix(head, "# version ")
	if !ok {
		return "", nil, fmt.Errorf("%s: no version line", path)
	}
	aliases = map[string][]string{}
	err = readLines(path, func(line string) error {
		if f := strings.Fields(line); f[0] == "L" && len(f) == 3 {
			aliases[f[1]] = append(aliases[f[1]], f[2])
		}
		return nil
	})
	for _, names := range aliases {
		sort.Strings(names)
	}
	return version, aliases, err
}

// readZones reads zone1970.tab.
func readZones(path string) ([]zoneLine, error) {
	var zones []zoneLine
	err := readLines(path, func(line string) error {
		f := strings.Split(line, "\t")
		if len(f) < 3 {
			return fmt.Errorf("want three columns: %q", line)
		}
		z := zoneLine{name: f[2], countries: strings.Split(f[0], ",")}
		if len(f) > 3 {
			z.comments = &f[3]
		}
		cut := strings.LastIndexAny(f[1], "+-")
		if cut <= 0 {
			return fmt.Errorf("bad coordinates %q", f[1])
		}
		var err error
		if z.latitude, err = degrees(f[1][:cut], 2); err != nil {
			return err
		}
		if z.longitude, err = degrees(f[1][cut:], 3); err != nil {
			return err
		}
		zones = append(zones, z)
		return nil
	})
	return zones, err
}

// degrees converts an ISO 6709 angle, a sign, the given number of digits of
// degrees, two of minutes and perhaps two of seconds, to decimal degrees with
// six places.
func degrees(s string, digits int) (float64, error) {
	body := s[1:]
	if len(body) != digits+2 && len(body) != digits+4 {
		return 0, fmt.Errorf("bad angle %q", s)
	}
	var sum float64
	for unit := 1.0; body != ""; unit *= 60 {
		n, err := strconv.ParseUint(body[:digits], 10, 16)
		if err != nil {
			return 0, fmt.Errorf("bad angle %q: %w", s, err)
		}
		sum += float64(n) / unit
		body, digits = body[digits:], 2
	}
	if s[0] == '-' {
		sum = -sum
	}
	return math.Round(sum*1e6) / 1e6, nil
}
