package main

import (
	"context"
	"time"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/examples/internal/service"
)

// Reading is a row of the table that the emulator is given.
type Reading struct {
	Sensor    string           `json:"sensor"`
	Value     float64          `json:"value"`
	CreatedAt minapp.Timestamp `json:"created_at"`
}

// readings is an existing table of the real service, or a new one of the
// emulator, one reading a minute for two and a half days.
func readings(ctx context.Context, client *service.Service) (minapp.TableID, error) {
	if !client.Emulated {
		return service.TableFromEnv("MINAPP_TABLE")
	}
	info, err := client.Tables.Create(ctx, minapp.TableSpec{Name: "reading", Fields: []minapp.Field{
		{Name: "sensor", Type: minapp.TypeString}, {Name: "value", Type: minapp.TypeNumber},
	}})
	if err != nil {
		return 0, err
	}
	rows := func(yield func(Reading, error) bool) {
		begin := time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)
		for i := range 3600 {
			at := minapp.TimestampOf(begin.Add(time.Duration(i) * time.Minute))
			if !yield(Reading{"roof", float64(i%288) / 10, at}, nil) {
				return
			}
		}
	}
	for _, err := range minapp.TableOf[Reading](client.Client, info.ID).CreateAll(ctx, rows, minapp.BatchOptions{}) {
		if err != nil {
			return 0, err
		}
	}
	return info.ID, nil
}
