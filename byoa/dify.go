package byoa

import (
	"encoding/json"
	"errors"
)

// Dify exports to a dataset of Dify. All three are required. Titles are not
// merged into the text: see [DifyConfig].
func Dify(datasetID, datasetName, embeddingModel string) DifyConfig {
	return DifyConfig{DatasetID: datasetID, DatasetName: datasetName, EmbeddingModel: embeddingModel}
}

// DifyConfig is a dataset of Dify.
type DifyConfig struct {
	DatasetID      string `json:"dataset_id"`      // required
	DatasetName    string `json:"dataset_name"`    // required
	EmbeddingModel string `json:"embedding_model"` // required
	MergeTitle     bool   `json:"-"`               // put the title in front of the text
}

// Type is [TypeDify].
func (DifyConfig) Type() Type { return TypeDify }

// Err names the fields that are blank.
func (c DifyConfig) Err() error {
	return errors.Join(
		filled("DifyConfig.DatasetID", c.DatasetID),
		filled("DifyConfig.DatasetName", c.DatasetName),
		filled("DifyConfig.EmbeddingModel", c.EmbeddingModel),
	)
}

// MarshalJSON is the member config of a create.
func (c DifyConfig) MarshalJSON() ([]byte, error) {
	type object DifyConfig
	return json.Marshal(struct {
		Dify  object `json:"dify_config"`
		Merge bool   `json:"merge_title_to_text"`
	}{object(c), c.MergeTitle})
}

func readDify(raw, merge json.RawMessage) (Config, error) {
	var c DifyConfig
	_ = json.Unmarshal(merge, &c.MergeTitle) // absent is false
	err := json.Unmarshal(raw, &c)
	return c, err
}

func (DifyConfig) sealed() {}
