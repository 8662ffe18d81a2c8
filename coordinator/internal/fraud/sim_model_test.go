package fraud

// simModel is a board. truth is how much faster it is than the coordinator's
// cautious table has it.
type simModel struct {
	name        string
	rate, truth float64
}

func simModels() []simModel {
	return []simModel{
		{"Raspberry Pi Zero 2 W Rev 1.0", 120_000, 2.2}, {"Raspberry Pi 3 Model B Plus Rev 1.3", 180_000, 2.2},
		{"Raspberry Pi 4 Model B Rev 1.4", 330_000, 2.5}, {"Raspberry Pi 5 Model B Rev 1.0", 800_000, 8},
	}
}

func (m simModel) fastest() float64 {
	return m.rate * map[bool]float64{true: 16, false: 4}[m.truth > 4]
}
