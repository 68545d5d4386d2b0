package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/minapp-go/minapp"
)

// titles are the titles of the demonstration's file.
var titles = map[string]string{
	"code": "编码", "name": "名称", "area": "面积", "open": "营业", "since": "开业时间", "tags": "标签", "place": "位置",
}

// shops is the beginning of a file as a spreadsheet program saves it: with a
// byte-order mark and \r\n. Lines 4 to 8 are bad, each in its own way.
const shops = "\ufeff" + `编码,名称,面积,营业,开业时间,标签,位置
GZ-01,天河旗舰店,320.5,TRUE,2018-09-01T09:30:00+08:00,"[""商场"",""夜市""]","{""type"":""Point"",""coordinates"":[113.361,23.125]}"
GZ-02,"越秀店
(二楼, ""老店"")",88,FALSE,,[],
GZ-03,番禺店,大约90,TRUE,,,
GZ-04,荔湾店,120
GZ-05,海珠店,75,TRUE,2019-03-01,,
GZ-06,白云` + "\xb5\xea" + `,60,TRUE,,,
GZ-01,和第一行同号,1,TRUE,,,
SZ-01,南山店 😀,,,,,
`

// more is the number of further shops.
const more = 2500

func shopFile(dir string) (path string, err error) {
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(shops, "\n", "\r\n"))
	for i := range more {
		fmt.Fprintf(&b, "N-%04d,第 %d 店,%d,TRUE,,,\r\n", i, i, 50+i%100)
	}
	path = filepath.Join(dir, "shops.csv")
	return path, os.WriteFile(path, []byte(b.String()), 0o600)
}

func shopTable(ctx context.Context, client *minapp.Client) (minapp.TableID, error) {
	info, err := client.Tables.Create(ctx, minapp.TableSpec{Name: "shop", Fields: []minapp.Field{
		{Name: "code", Type: minapp.TypeString, Constraints: &minapp.Constraints{Required: true}},
		{Name: "name", Type: minapp.TypeString},
		{Name: "area", Type: minapp.TypeNumber},
		{Name: "open", Type: minapp.TypeBoolean},
		{Name: "since", Type: minapp.TypeDate},
		{Name: "tags", Type: minapp.TypeArray, Items: &minapp.ItemType{Type: minapp.TypeString}},
		{Name: "place", Type: minapp.TypeGeoJSON, Format: minapp.FormatDefault, CoordinateType: minapp.CoordGCJ02},
	}})
	if err != nil {
		return 0, err
	}
	_, err = client.Tables.CreateIndex(ctx, info.ID, []string{"code"})
	return info.ID, err
}

func (l load) demonstrate(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "csv")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if l.path, err = shopFile(dir); err != nil {
		return err
	}
	if l.table, err = shopTable(ctx, l.client); err != nil {
		return err
	}
	l.titles, l.key = titles, "code"
	return l.run(ctx)
}
