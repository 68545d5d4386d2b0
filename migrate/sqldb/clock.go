package sqldb

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// DateTime is the layout of a DATETIME(6) as text, for [time.Time.Format].
const DateTime = "2006-01-02 15:04:05.000000"

// isoDate is a date as the service writes it. Source: open-api/data/record.md.
const isoDate = "2006-01-02T15:04:05.000000-07:00"

// clock writes and reads DATETIME columns: what the clocks of a zone show.
type clock struct {
	zone   *time.Location
	digits int // behind the seconds
}

// parseDate reads ISO 8601 with an offset.
func parseDate(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05.999999999-0700", text)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("%.40q is no date in ISO 8601 with an offset", text)
	}
	return t, nil
}

func (c clock) fromDate(v any) (any, error) {
	text, err := asText(v)
	if err != nil {
		return nil, err
	}
	t, err := parseDate(text)
	if err != nil {
		return nil, err
	}
	return c.show(t)
}

// show is what the clocks show, if they show it once and the column holds all
// of it. Source of the years: dev.mysql.com/doc/refman/8.0/en/datetime.html.
func (c clock) show(t time.Time) (any, error) {
	t = t.In(c.zone)
	shown := t.Format(DateTime)
	switch {
	case t.Year() < 1000 || t.Year() > 9999:
		return nil, fmt.Errorf("the year %d is none of DATETIME, 1000 to 9999", t.Year())
	case !t.Truncate(c.unit()).Equal(t):
		return nil, fmt.Errorf("%s has more than %d digits behind the second", t.Format(time.RFC3339Nano), c.digits)
	case twice(t):
		return nil, fmt.Errorf("clocks in %s show %s twice: take another zone, such as UTC", c.zone, shown)
	}
	return shown, nil
}

// twice reports a moment that the clocks of its zone show a second time, because
// they are set back before or after it.
func twice(t time.Time) bool {
	start, end := t.ZoneBounds()
	for _, edge := range []time.Time{start, end} {
		if edge.IsZero() {
			continue
		}
		_, before := edge.Add(-1).Zone()
		_, after := edge.Zone()
		back := time.Duration(before-after) * time.Second
		if back > 0 && t.Sub(edge) < back && edge.Sub(t) <= back {
			return true
		}
	}
	return false
}

// unit is the smallest difference that the column holds.
func (c clock) unit() time.Duration {
	unit := time.Second
	for range c.digits {
		unit /= 10
	}
	return unit
}

// read is the moment at which clocks show this.
func (c clock) read(shown string) (time.Time, error) {
	t, err := time.ParseInLocation("2006-01-02 15:04:05", shown, c.zone) // takes a fraction, too
	if err != nil {
		return time.Time{}, fmt.Errorf("%.40q is no DATETIME", shown)
	}
	if whole, _, _ := strings.Cut(shown, "."); t.Format("2006-01-02 15:04:05") != whole {
		return time.Time{}, fmt.Errorf("clocks in %s never show %s", c.zone, shown)
	}
	return t, nil
}

func (c clock) toDate(v any) (any, error) {
	t, err := c.readValue(v)
	if err != nil {
		return nil, err
	}
	return t.Format(isoDate), nil
}

func (c clock) readValue(v any) (time.Time, error) {
	shown, err := sqlText(v)
	if err != nil {
		return time.Time{}, err
	}
	return c.read(shown)
}

func (c clock) fromStamp(v any) (any, error) {
	text, err := numberText(v)
	if err != nil {
		return nil, err
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, mismatch(v, "timestamp in Unix seconds")
	}
	return c.show(time.Unix(seconds, 0))
}

func (c clock) toStamp(v any) (any, error) {
	t, err := c.readValue(v)
	if err != nil {
		return nil, err
	}
	if t.Nanosecond() != 0 {
		return nil, mismatch(v, "timestamp in whole seconds")
	}
	return json.Number(strconv.FormatInt(t.Unix(), 10)), nil
}
