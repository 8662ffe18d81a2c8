package event

// TurnClass lets tests take the turn of giving numbers.
const TurnClass = turnClass
