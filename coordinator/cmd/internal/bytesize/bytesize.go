// Package bytesize owns how the programs tell people a number of bytes.
//
// It must never write what programs read: they get every byte.
package bytesize

import "fmt"

// Text is a number of bytes in the largest binary unit below it, with three
// digits or so.
func Text(bytes float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for ; bytes >= 1024 && i < len(units)-1; i++ {
		bytes /= 1024
	}
	if bytes >= 100 || i == 0 {
		return fmt.Sprintf("%.0f %s", bytes, units[i])
	}
	return fmt.Sprintf("%.1f %s", bytes, units[i])
}
