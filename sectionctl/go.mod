module section.internal/sectionctl

go 1.26

require (
	github.com/urfave/cli/v2 v2.27.7
	section.internal/contract v0.0.0
)

replace section.internal/contract => ../contract
