package main

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/node"
)

// A flag's default stands in a tag, which can hold no constant.
func TestTokensLiveAsLongAsNodeSays(t *testing.T) {
	life, _ := reflect.TypeFor[tokenCreateCmd]().FieldByName("Life")
	if got, err := time.ParseDuration(life.Tag.Get("default")); err != nil || got != node.DefaultTokenLife {
		t.Errorf("default %s, %v; want %s", got, err, node.DefaultTokenLife)
	}
	if want := fmt.Sprintf("at most %gh.", node.MaxTokenLife.Hours()); !strings.HasSuffix(life.Tag.Get("help"), want) {
		t.Errorf("help %q does not end in %q", life.Tag.Get("help"), want)
	}
}
