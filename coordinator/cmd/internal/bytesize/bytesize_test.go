package bytesize

import "testing"

func TestText(t *testing.T) {
	for bytes, want := range map[float64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 724 << 20: "724 MiB", 25276514304: "23.5 GiB", 3 << 50: "3.0 PiB", 5000 << 50: "5000 PiB",
	} {
		if got := Text(bytes); got != want {
			t.Errorf("%.0f bytes are told as %q, want %q", bytes, got, want)
		}
	}
}
