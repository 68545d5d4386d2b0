package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/examples/internal/service"
)

// dataset is every clock change from 1970 to 1999, one JSON object per line.
//
//go:embed data/tz_transitions.jsonl.gz
var dataset []byte

// tables returns source and target: those of the environment, or two new ones
// of the emulator, the source filled with the dataset.
func tables(ctx context.Context, client *service.Service) (from, to minapp.TableID, err error) {
	if !client.Emulated {
		if from, err = service.TableFromEnv("MINAPP_SOURCE_TABLE"); err != nil {
			return 0, 0, err
		}
		to, err = service.TableFromEnv("MINAPP_TARGET_TABLE")
		return from, to, err
	}
	source, err := client.Tables.Create(ctx, minapp.TableSpec{Name: "clock_change", Fields: sourceFields})
	if err != nil {
		return 0, 0, err
	}
	target, err := client.Tables.Create(ctx, minapp.TableSpec{Name: "shift", Fields: targetFields})
	if err != nil {
		return 0, 0, err
	}
	if _, err := client.Tables.CreateIndex(ctx, target.ID, []string{"source_id"}); err != nil {
		return 0, 0, err
	}
	fmt.Println("Loading the clock changes of the IANA time zone database 2025b (public domain).")
	return source.ID, target.ID, load(ctx, minapp.TableOf[ClockChange](client.Client, source.ID))
}

func load(ctx context.Context, table *minapp.Table[ClockChange]) error {
	for _, err := range table.CreateAll(ctx, lines[ClockChange](dataset), minapp.BatchOptions{}) {
		if err != nil {
			return fmt.Errorf("loading the dataset: %w", err)
		}
	}
	return nil
}

// lines decodes gzipped JSON Lines.
func lines[T any](data []byte) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var row T
		unzipped, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			yield(row, err)
			return
		}
		scanner := bufio.NewScanner(unzipped)
		for scanner.Scan() {
			var row T
			err := json.Unmarshal(scanner.Bytes(), &row)
			if !yield(row, err) || err != nil {
				return
			}
		}
		if err := scanner.Err(); err != nil {
			yield(row, err)
		}
	}
}
