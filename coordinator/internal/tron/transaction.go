package tron

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// ID of a transaction is the SHA-256 of its raw bytes.
type ID [32]byte

// IDOf is the id of the transaction of these raw bytes.
func IDOf(raw []byte) ID { return sha256.Sum256(raw) }

// ParseID reads 64 hexadecimal digits.
func ParseID(text string) (id ID, err error) {
	if raw, err := hex.DecodeString(text); err == nil && len(raw) == len(id) {
		return ID(raw), nil
	}
	return id, fmt.Errorf("%q is no transaction id: that is 64 hexadecimal digits", text)
}

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// BlockID is a block's hash, whose first eight bytes are its number.
type BlockID [32]byte

// Number is the block's height.
func (b BlockID) Number() int64 { return int64(binary.BigEndian.Uint64(b[:8])) }

func (b BlockID) String() string { return hex.EncodeToString(b[:]) }

// Transaction is a call of a contract as TRON's Transaction.raw holds it.
// There is no nonce: two transactions that differ in anything are two payments.
type Transaction struct {
	RefBlockBytes [2]byte // bytes 6 and 7 of a recent block's id
	RefBlockHash  [8]byte // bytes 8 to 15
	Expiration    int64   // Unix milliseconds
	Timestamp     int64   // Unix milliseconds
	FeeLimit      int64   // sun; the most energy that may be burnt for it
	Memo          []byte
	Owner         Address // who pays and signs
	Contract      Address
	CallValue     int64 // sun
	Data          []byte
}

// RefersTo sets the block that must be on the chain for the transaction to be valid.
func (t *Transaction) RefersTo(block BlockID) {
	t.RefBlockBytes, t.RefBlockHash = [2]byte(block[6:8]), [8]byte(block[8:16])
}

// Numbers of fields in TRON's protobuf messages, and of the one contract type
// that is spoken here.
const (
	rawRefBlockBytes protowire.Number = 1
	rawRefBlockHash  protowire.Number = 4
	rawExpiration    protowire.Number = 8
	rawMemo          protowire.Number = 10
	rawContract      protowire.Number = 11
	rawTimestamp     protowire.Number = 14
	rawFeeLimit      protowire.Number = 18

	contractType      protowire.Number = 1
	contractParameter protowire.Number = 2
	anyTypeURL        protowire.Number = 1
	anyValue          protowire.Number = 2

	callOwner    protowire.Number = 1
	callContract protowire.Number = 2
	callValue    protowire.Number = 3
	callData     protowire.Number = 4

	triggerSmartContract = 31
	triggerTypeURL       = "type.googleapis.com/protocol.TriggerSmartContract"
)

// Raw is the transaction's raw bytes, fields in the order of their numbers.
func (t Transaction) Raw() []byte {
	call := appendBytes(nil, callOwner, t.Owner[:])
	call = appendBytes(call, callContract, t.Contract[:])
	call = appendInt(call, callValue, t.CallValue)
	call = appendBytes(call, callData, t.Data)
	parameter := appendBytes(nil, anyTypeURL, []byte(triggerTypeURL))
	parameter = appendBytes(parameter, anyValue, call)
	contract := appendInt(nil, contractType, triggerSmartContract)
	contract = appendBytes(contract, contractParameter, parameter)

	raw := appendBytes(nil, rawRefBlockBytes, t.RefBlockBytes[:])
	raw = appendBytes(raw, rawRefBlockHash, t.RefBlockHash[:])
	raw = appendInt(raw, rawExpiration, t.Expiration)
	raw = appendBytes(raw, rawMemo, t.Memo)
	raw = appendBytes(raw, rawContract, contract)
	raw = appendInt(raw, rawTimestamp, t.Timestamp)
	return appendInt(raw, rawFeeLimit, t.FeeLimit)
}

func appendBytes(b []byte, field protowire.Number, value []byte) []byte {
	if len(value) == 0 {
		return b
	}
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), value)
}

func appendInt(b []byte, field protowire.Number, value int64) []byte {
	if value == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(value))
}

// ErrNotACall says that raw bytes hold something else than one call of a contract.
var ErrNotACall = errors.New("not a transaction with one call of a contract")

// Parse reads raw bytes. It takes only what Raw would write again byte for
// byte, so that nothing in them stays unread.
func Parse(raw []byte) (Transaction, error) {
	var t Transaction
	body, err := fields(raw)
	if err != nil {
		return t, err
	}
	copy(t.RefBlockBytes[:], body.bytes[rawRefBlockBytes])
	copy(t.RefBlockHash[:], body.bytes[rawRefBlockHash])
	t.Expiration, t.Timestamp, t.FeeLimit = body.ints[rawExpiration], body.ints[rawTimestamp], body.ints[rawFeeLimit]
	t.Memo = body.bytes[rawMemo]
	contract, err := fields(body.bytes[rawContract])
	if err != nil {
		return t, err
	}
	parameter, err := fields(contract.bytes[contractParameter])
	if err != nil {
		return t, err
	}
	call, err := fields(parameter.bytes[anyValue])
	if err != nil {
		return t, err
	}
	t.CallValue, t.Data = call.ints[callValue], call.bytes[callData]
	if t.Owner, err = addressFrom(call.bytes[callOwner]); err != nil {
		return t, errors.Join(ErrNotACall, err)
	}
	if t.Contract, err = addressFrom(call.bytes[callContract]); err != nil {
		return t, errors.Join(ErrNotACall, err)
	}
	if !bytes.Equal(t.Raw(), raw) {
		return t, ErrNotACall
	}
	return t, nil
}

// message is a protobuf message by field; of a repeated field, the last one.
type message struct {
	bytes map[protowire.Number][]byte
	ints  map[protowire.Number]int64
}

func fields(raw []byte) (message, error) {
	m := message{make(map[protowire.Number][]byte), make(map[protowire.Number]int64)}
	for len(raw) > 0 {
		field, kind, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return m, fmt.Errorf("transaction: %w", protowire.ParseError(n))
		}
		raw = raw[n:]
		switch kind {
		case protowire.VarintType:
			var value uint64
			if value, n = protowire.ConsumeVarint(raw); n >= 0 {
				m.ints[field] = int64(value)
			}
		case protowire.BytesType:
			var value []byte
			if value, n = protowire.ConsumeBytes(raw); n >= 0 {
				m.bytes[field] = value
			}
		default:
			n = protowire.ConsumeFieldValue(field, kind, raw)
		}
		if n < 0 {
			return m, fmt.Errorf("transaction: %w", protowire.ParseError(n))
		}
		raw = raw[n:]
	}
	return m, nil
}

// SpentBy reports whether an address pays for the transaction of these raw
// bytes, whatever kind of transaction it is. What cannot be read is nobody's.
func SpentBy(raw []byte, owner Address) bool {
	for _, level := range []protowire.Number{rawContract, contractParameter, anyValue} {
		m, err := fields(raw)
		if err != nil {
			return false
		}
		raw = m.bytes[level]
	}
	m, err := fields(raw)
	// Field 1 in all messages but TransferAssetContract, which has it second.
	return err == nil && (bytes.Equal(m.bytes[1], owner[:]) || bytes.Equal(m.bytes[2], owner[:]) && len(m.bytes[3]) == len(owner))
}

const (
	signedRaw       protowire.Number = 1
	signedSignature protowire.Number = 2
)

// Signed is a transaction with its signature, as it is broadcast.
func Signed(raw []byte, signature Signature) []byte {
	return appendBytes(appendBytes(nil, signedRaw, raw), signedSignature, signature[:])
}

// ParseSigned takes Signed apart.
func ParseSigned(signed []byte) (raw []byte, signature Signature, err error) {
	m, err := fields(signed)
	if err != nil {
		return nil, signature, err
	}
	if len(m.bytes[signedSignature]) != len(signature) {
		return nil, signature, fmt.Errorf("signature has %d bytes, not %d", len(m.bytes[signedSignature]), len(signature))
	}
	return m.bytes[signedRaw], Signature(m.bytes[signedSignature]), nil
}
