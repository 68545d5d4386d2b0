module example.com/consumer

go 1.26.0

require github.com/minapp-go/minapp v0.0.0

require (
	github.com/google/go-querystring v1.2.0 // indirect
	github.com/hashicorp/go-cleanhttp v0.5.2 // indirect
	github.com/hashicorp/go-retryablehttp v0.7.8 // indirect
)

replace github.com/minapp-go/minapp => ../
