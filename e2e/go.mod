module lucid.internal/e2e

go 1.26.0

require lucid.internal/shared v0.0.0

replace lucid.internal/shared => ../shared
