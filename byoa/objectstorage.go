package byoa

import (
	"encoding/json"
	"fmt"
	"strings"
)

// ObjectStorage exports to a folder in the bucket of an S3 or OSS connector.
// The path ends in a slash.
func ObjectStorage(path string, compression Compression) ObjectStorageConfig {
	return ObjectStorageConfig{Path: path, Compression: compression}
}

// ObjectStorageConfig is a folder in a bucket.
type ObjectStorageConfig struct {
	Path        string // required; ends in a slash
	Compression Compression
}

// Compression is how files are packed on their way to object storage.
type Compression string

// The methods of compression. Others are passed through.
const (
	Uncompressed Compression = ""
	Gzip         Compression = "gzip" // the one that the console offers
	Zip          Compression = "zip"  // in a sample of the page on export tasks, and nowhere else
)

// Type is [TypeObjectStorage].
func (ObjectStorageConfig) Type() Type { return TypeObjectStorage }

// Err tells what is wrong with the path. That it ends in a slash is a rule of
// generation 5.0, which the sample of this generation keeps.
func (c ObjectStorageConfig) Err() error {
	if err := filled("ObjectStorageConfig.Path", c.Path); err != nil {
		return err
	}
	if !strings.HasSuffix(c.Path, "/") {
		return fmt.Errorf("ObjectStorageConfig.Path %q does not end in a slash, and it is a folder", c.Path)
	}
	return nil
}

// objectStorage is the wire form; need_compress is sent also if it is false.
type objectStorage struct {
	Path     string      `json:"path"`
	Compress bool        `json:"need_compress"`
	Method   Compression `json:"compress_method,omitempty"`
}

// MarshalJSON is the member config of a create.
func (c ObjectStorageConfig) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]objectStorage{"s3_config": {c.Path, c.Compression != Uncompressed, c.Compression}})
}

func readObjectStorage(raw json.RawMessage) (Config, error) {
	var w objectStorage
	err := json.Unmarshal(raw, &w)
	if !w.Compress {
		w.Method = Uncompressed // spelled "", "no" or not at all
	}
	return ObjectStorageConfig{w.Path, w.Method}, err
}

func (ObjectStorageConfig) sealed() {}
