package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/geo"
)

// Shop is a row with a column of nearly every type.
type Shop struct {
	Name      string           `json:"name"`
	City      string           `json:"city"`
	Place     geo.Point        `json:"place"`
	Opened    time.Time        `json:"opened"`
	Tags      []string         `json:"tags,omitempty"`
	Manager   minapp.Pointer   `json:"manager,omitzero"`
	CreatedAt minapp.Timestamp `json:"created_at"`
	minapp.RowPerm
}

// openShops gives the emulator something to copy: shops, and managers that
// they point at.
func openShops(ctx context.Context, client *minapp.Client) error {
	managers, err := client.Tables.Create(ctx, minapp.TableSpec{
		Name:   "manager",
		Fields: []minapp.Field{{Name: "name", Type: minapp.TypeString}},
	})
	if err != nil {
		return err
	}
	lin, err := client.Records.Create(ctx, managers.ID, minapp.Fields{"name": "林"})
	if err != nil {
		return err
	}
	shops, err := client.Tables.Create(ctx, minapp.TableSpec{
		Name: "shop",
		Fields: []minapp.Field{
			{Name: "name", Type: minapp.TypeString, Constraints: &minapp.Constraints{Required: true}},
			{Name: "city", Type: minapp.TypeString, Default: json.RawMessage(`"广州"`)},
			{Name: "place", Type: minapp.TypeGeoJSON, Format: minapp.FormatDefault, CoordinateType: minapp.CoordGCJ02},
			{Name: "opened", Type: minapp.TypeDate},
			{Name: "tags", Type: minapp.TypeArray, Items: &minapp.ItemType{Type: minapp.TypeString}},
			{Name: "manager", Type: minapp.TypePointer, SchemaID: minapp.TableRef(managers.ID)},
		},
		Rows:      minapp.RowPerm{ReadPerm: []string{minapp.PermAnonymous}, WritePerm: []string{minapp.PermGroup(656)}},
		CreateRow: []string{minapp.PermGroup(656)},
	})
	if err != nil {
		return err
	}
	if _, err := client.Tables.CreateIndex(ctx, shops.ID, []string{"name", "city"}); err != nil {
		return err
	}
	day := func(year int, month time.Month) time.Time {
		return time.Date(year, month, 1, 9, 30, 0, 0, time.FixedZone("", 8*60*60))
	}
	closed := minapp.RowPerm{ReadPerm: []string{}}
	manager := minapp.Pointer{ID: lin.ID()}
	_, err = minapp.TableOf[Shop](client, shops.ID).CreateMany(ctx, []Shop{
		{"天河", "广州", geo.Point{Lng: 113.361, Lat: 23.125}, day(2018, 9), []string{"mall", "late"}, manager, 1516118400, minapp.RowPerm{}},
		{"越秀", "广州", geo.Point{Lng: 113.267, Lat: 23.129}, day(2019, 3), nil, manager, 1516118401, minapp.RowPerm{}},
		{"南山", "深圳", geo.Point{Lng: 113.930, Lat: 22.533}, day(2019, 11), []string{"mall"}, minapp.Pointer{}, 1516118402, minapp.RowPerm{}},
		{"福田", "深圳", geo.Point{Lng: 114.055, Lat: 22.522}, day(2021, 5), nil, minapp.Pointer{}, 1516118403, closed},
		{"天河", "成都", geo.Point{Lng: 104.066, Lat: 30.573}, day(2024, 1), []string{"new"}, minapp.Pointer{}, 1516118404, minapp.RowPerm{}},
	})
	return err
}
