module section.internal/e2e

go 1.26

require section.internal/contract v0.0.0

replace section.internal/contract => ../contract
