package score

// Record is a node's score with everything that it came from. Before the first
// counted verdict it has no factors and the score is 0: trust has to begin with
// an answer.
type Record struct {
	Score      int64
	Confidence int64
	Factors    Factors
	Counters   Counters
}

// Evaluate gives the record of counters and availability.
func Evaluate(c Counters, availability int64) Record {
	if c.Verdicts == 0 {
		return Record{Counters: c}
	}
	f := Compute(c, availability)
	return Record{Score: f.Score(), Confidence: c.Confidence(), Factors: f, Counters: c}
}

// Step is one bar of the waterfall from one score to the next.
type Step struct {
	Factor string `json:"factor"`
	Before int64  `json:"before"` // the factor, One is 1.0
	After  int64  `json:"after"`
	Points int64  `json:"points"` // what its move added to the score, One is 100 points
}

// Explain takes the factors one after the other from before to after. The
// points of the steps sum to the difference of the two scores exactly. A first
// score starts from a perfect record, whose 100 points are a step of their own.
// Without a counted verdict there is nothing to explain.
func Explain(before, after Record) []Step {
	if after.Factors == (Factors{}) {
		return nil
	}
	from := before.Factors
	var steps []Step
	if from == (Factors{}) {
		from = Factors{Reputation: One, Timeliness: One, Availability: One, Quality: One}
		steps = append(steps, Step{Factor: "first_verdict", After: One, Points: from.Score()})
	}
	at := from
	move := func(name string, factor *int64, to int64) {
		step := Step{Factor: name, Before: *factor, After: to, Points: -at.Score()}
		*factor = to
		step.Points += at.Score()
		steps = append(steps, step)
	}
	move("reputation", &at.Reputation, after.Factors.Reputation)
	move("timeliness", &at.Timeliness, after.Factors.Timeliness)
	move("availability", &at.Availability, after.Factors.Availability)
	move("quality", &at.Quality, after.Factors.Quality)
	return steps
}
