package ledger

import "time"

// The flows of the wallet that pays. Node accounts say whom the network owes;
// these say what lies where it is paid from, so that both can be compared with
// the chain.
const (
	kindReceipt    = "receipt"
	kindTransfer   = "transfer"
	kindNetworkFee = "network_fee"
)

// Receipt books what came into the wallet from outside: USDT, and sun of TRX.
// Either may be 0.
func Receipt(ref string, at time.Time, wallet string, amount, sun Amount) Entry {
	postings := walletMove(nil, KindReceived, KindWallet, wallet, amount)
	return Entry{Kind: kindReceipt, Ref: ref, At: at, Postings: walletMove(postings, KindTRXReceived, KindTRXWallet, wallet, sun)}
}

// Transfer books what left the wallet.
func Transfer(ref string, at time.Time, wallet string, amount Amount) Entry {
	return Entry{Kind: kindTransfer, Ref: ref, At: at, Postings: walletMove(nil, KindWallet, KindSent, wallet, amount)}
}

// NetworkFee books what a transaction cost, whether it worked or not.
func NetworkFee(ref string, at time.Time, wallet string, sun Amount) Entry {
	return Entry{Kind: kindNetworkFee, Ref: ref, At: at, Postings: walletMove(nil, KindTRXWallet, KindTRXBurnt, wallet, sun)}
}

func walletMove(postings []Posting, from, to Kind, wallet string, amount Amount) []Posting {
	return appendPosting(appendPosting(postings, from, wallet, -amount), to, wallet, amount)
}
