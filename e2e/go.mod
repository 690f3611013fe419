module section.internal/e2e

go 1.26

require (
	github.com/BurntSushi/toml v1.6.0
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3
	section.internal/contract v0.0.0
)

require golang.org/x/text v0.14.0 // indirect

replace section.internal/contract => ../contract
