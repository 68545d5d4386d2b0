package main

import (
	"math"
	"time"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/geo"
)

// ClockChange is a row of the source: one change of clock in one time zone.
type ClockChange struct {
	Key          string   `json:"key"` // unique
	Zone         string   `json:"zone"`
	Aliases      []string `json:"aliases"`
	Countries    []string `json:"countries"`
	CountryNames []string `json:"country_names"`
	Comments     string   `json:"comments"`
	Latitude     float64  `json:"latitude"`
	Longitude    float64  `json:"longitude"`
	ChangedAt    string   `json:"changed_at"` // RFC 3339, in UTC
	Abbreviation string   `json:"abbreviation"`
	Offset       int      `json:"offset_seconds"`
	Previous     int      `json:"previous_offset_seconds"`
	IsDST        bool     `json:"is_dst"`
}

// sourceFields is the schema of the source.
var sourceFields = []minapp.Field{
	{Name: "key", Type: minapp.TypeString},
	{Name: "zone", Type: minapp.TypeString},
	{Name: "aliases", Type: minapp.TypeArray, Items: &minapp.ItemType{Type: minapp.TypeString}},
	{Name: "countries", Type: minapp.TypeArray, Items: &minapp.ItemType{Type: minapp.TypeString}},
	{Name: "country_names", Type: minapp.TypeArray, Items: &minapp.ItemType{Type: minapp.TypeString}},
	{Name: "comments", Type: minapp.TypeString},
	{Name: "latitude", Type: minapp.TypeNumber},
	{Name: "longitude", Type: minapp.TypeNumber},
	{Name: "changed_at", Type: minapp.TypeString},
	{Name: "abbreviation", Type: minapp.TypeString},
	{Name: "offset_seconds", Type: minapp.TypeInteger},
	{Name: "previous_offset_seconds", Type: minapp.TypeInteger},
	{Name: "is_dst", Type: minapp.TypeBoolean},
}

// Shift is a row of the target: the same event with a real date, a real point,
// and the amount by which the clocks moved.
type Shift struct {
	SourceID  string    `json:"source_id"` // unique
	Zone      string    `json:"zone"`
	Names     []string  `json:"names"` // whatever somebody may search for
	Countries []string  `json:"countries"`
	Place     geo.Point `json:"place"`
	At        time.Time `json:"at"`         // in local time, as the clocks showed it afterwards
	Minutes   float64   `json:"minutes"`    // by which the clocks were put forward
	Offset    string    `json:"utc_offset"` // "+09:00 CDT"
	Summer    bool      `json:"summer_time"`
}

// targetFields is the schema of the target.
var targetFields = []minapp.Field{
	{Name: "source_id", Type: minapp.TypeString},
	{Name: "zone", Type: minapp.TypeString},
	{Name: "names", Type: minapp.TypeArray, Items: &minapp.ItemType{Type: minapp.TypeString}},
	{Name: "countries", Type: minapp.TypeArray, Items: &minapp.ItemType{Type: minapp.TypeString}},
	{Name: "place", Type: minapp.TypeGeoJSON, Format: minapp.FormatDefault, CoordinateType: minapp.CoordWGS84},
	{Name: "at", Type: minapp.TypeDate},
	{Name: "minutes", Type: minapp.TypeNumber},
	{Name: "utc_offset", Type: minapp.TypeString},
	{Name: "summer_time", Type: minapp.TypeBoolean},
}

// toShift makes one row of the target out of one of the source.
func toShift(r *minapp.Record[ClockChange]) ([]Shift, error) {
	c := r.Value
	at, err := time.Parse(time.RFC3339, c.ChangedAt)
	if err != nil {
		return nil, err
	}
	local := at.In(time.FixedZone(c.Abbreviation, c.Offset))
	names := append([]string{c.Zone}, c.Aliases...)
	names = append(names, c.CountryNames...)
	if c.Comments != "" {
		names = append(names, c.Comments)
	}
	return []Shift{{
		SourceID:  r.ID(),
		Zone:      c.Zone,
		Names:     names,
		Countries: c.Countries,
		Place:     geo.Point{Lng: c.Longitude, Lat: c.Latitude},
		At:        local,
		Minutes:   math.Round(float64(c.Offset-c.Previous)/60*100) / 100,
		Offset:    local.Format("-07:00 ") + c.Abbreviation,
		Summer:    c.IsDST,
	}}, nil
}
