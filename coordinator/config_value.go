package coordinator

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"lucid.internal/coordinator/internal/ledger"
)

// BasisPoints is a percentage in hundredths: 100 is 1 %.
type BasisPoints int64

// percent100 is the whole.
const percent100 BasisPoints = 100 * 100

// String is the percentage as it is written in a file: 1.25.
func (b BasisPoints) String() string {
	s := fmt.Sprintf("%d.%02d", b/100, b%100)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// parseBasisPoints reads a percentage from 0 to 100 with at most two decimals.
func parseBasisPoints(text string) (BasisPoints, error) {
	whole, part, hasPoint := strings.Cut(text, ".")
	badPoint := hasPoint && part == ""
	for len(part) < 2 {
		part += "0"
	}
	n, err := strconv.ParseUint(whole+part, 10, 63)
	if err != nil || badPoint || len(part) > 2 || whole == "" || n > uint64(percent100) {
		return 0, fmt.Errorf("%q is not a percentage from 0 to 100 with at most two decimals", text)
	}
	return BasisPoints(n), nil
}

// parseDuration reads Go's notation; a bare integer means seconds.
func parseDuration(text string) (time.Duration, error) {
	const most = int64(100 * 365 * 24 * time.Hour / time.Second)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n < -most || n > most {
			return 0, fmt.Errorf("%s seconds is more than a hundred years", text)
		}
		return time.Duration(n) * time.Second, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration like 90s, 5m or 1h30m, nor a number of seconds", text)
	}
	return d, nil
}

// parsePrefix reads an address or a network.
func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is neither an IP address nor a network like 10.0.0.0/8", text)
	}
	return prefix.Masked(), nil
}

// splitList separates a comma-separated list; empty items are left out.
func splitList(text string) []string {
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// parseValue turns text into a value of the setting's type.
func parseValue(t reflect.Type, text string) (any, error) {
	switch t {
	case reflect.TypeFor[string]():
		return text, nil
	case reflect.TypeFor[Secret]():
		return Secret(text), nil
	case reflect.TypeFor[int]():
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("%q is not a whole number", text)
		}
		return n, nil
	case reflect.TypeFor[bool]():
		if text != "true" && text != "false" {
			return nil, fmt.Errorf("%q is not true or false", text)
		}
		return text == "true", nil
	case reflect.TypeFor[time.Duration]():
		return parseDuration(text)
	case reflect.TypeFor[ledger.Amount]():
		return ledger.Parse(text)
	case reflect.TypeFor[BasisPoints]():
		return parseBasisPoints(text)
	case reflect.TypeFor[slog.Level]():
		return parseLevel(text)
	case reflect.TypeFor[[]string]():
		return splitList(text), nil
	case reflect.TypeFor[[]netip.Prefix]():
		return parsePrefixes(text)
	}
	return nil, fmt.Errorf("settings of type %s cannot be read", t)
}

func parseLevel(text string) (slog.Level, error) {
	switch level := strings.ToUpper(text); level {
	case "DEBUG", "INFO", "WARN", "ERROR":
		var l slog.Level
		err := l.UnmarshalText([]byte(level))
		return l, err
	}
	return 0, fmt.Errorf("%q is not DEBUG, INFO, WARN or ERROR", text)
}

func parsePrefixes(text string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	var faults []error
	for _, item := range splitList(text) {
		p, err := parsePrefix(item)
		faults = append(faults, err)
		prefixes = append(prefixes, p)
	}
	return prefixes, errors.Join(faults...)
}

// formatValue is the inverse of parseValue.
func formatValue(v any) string {
	switch v := v.(type) {
	case Secret:
		return string(v)
	case []string:
		return strings.Join(v, ",")
	case []netip.Prefix:
		texts := make([]string, len(v))
		for i, p := range v {
			texts[i] = p.String()
		}
		return strings.Join(texts, ",")
	}
	return fmt.Sprint(v)
}
