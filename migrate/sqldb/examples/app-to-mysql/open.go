package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/go-sql-driver/mysql"

	"github.com/minapp-go/minapp"
)

// openApp is the application to copy.
func openApp(o options, out *log.Logger) (client *minapp.Client, emulated bool, err error) {
	var opts []minapp.Option
	if token := os.Getenv("MINAPP_TOKEN"); token != "" {
		opts = append(opts, minapp.WithToken(token))
		if base := os.Getenv("MINAPP_BASE_URL"); base != "" {
			opts = append(opts, minapp.WithBaseURL(base))
		}
	} else {
		out.Println("MINAPP_TOKEN is not set: copying a small shop from the emulator inside this process.")
		if opts, err = emulator(); err != nil {
			return nil, true, err
		}
		emulated = true
	}
	if o.plan != 0 {
		opts = append(opts, minapp.WithPlan(minapp.Plan(o.plan), o.share))
	}
	client, err = minapp.NewClient(opts...)
	return client, emulated, err
}

// openDatabase is where the tables go, and its name.
func openDatabase(ctx context.Context, out *log.Logger) (db *sql.DB, name string, inProcess bool, err error) {
	dsn := os.Getenv("MYSQL_DSN")
	if dsn == "" {
		out.Println("MYSQL_DSN is not set: copying into go-mysql-server inside this process.")
		db, err = serve(ctx)
		return db, shopDatabase, true, err
	}
	config, err := mysql.ParseDSN(dsn)
	if err != nil || config.DBName == "" { // what err says may hold a part of the password
		return nil, "", false, errors.New("MYSQL_DSN must be like user:password@tcp(host:3306)/database")
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, "", false, err
	}
	db = sql.OpenDB(connector)
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close() // the ping says what is wrong
		return nil, "", false, fmt.Errorf("MYSQL_DSN: %w", err)
	}
	return db, config.DBName, false, nil
}
