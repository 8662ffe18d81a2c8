module lucid.internal/shared

go 1.26.0
