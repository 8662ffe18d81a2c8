package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/access/sqlgen"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/shared/wire"
)

// TopicGrant lets an API key read topics over MQTT.
type TopicGrant struct {
	No        int64
	Filter    string
	CreatedAt time.Time
}

const (
	grantMark     = "grant_"
	mostGrants    = 50
	anyNodeOrPool = "+"
)

// ID is the grant's name outside.
func (g TopicGrant) ID() string { return grantMark + strconv.FormatInt(g.No, 10) }

// grantable are the topics that may be granted to a key; one that is bound to
// nodes may read of these only. Metrics, proofs and commands are the
// coordinator's and the node's alone.
func grantable(nodeIDs []string) []string {
	bound := len(nodeIDs) > 0
	if !bound {
		nodeIDs = []string{anyNodeOrPool}
	}
	filters := []string{wire.LedgerHeadTopic} // a hash tells nothing of anybody's, and owners hold it against their statements
	for _, id := range nodeIDs {
		filters = append(filters, wire.Topic(id, wire.ChannelStatus), wire.Topic(id, wire.ChannelInfo))
	}
	if !bound {
		filters = append(filters, wire.PoolSummaryTopic(anyNodeOrPool), wire.EventTopic("+"))
	}
	return filters
}

// checkTopic tells what is against granting a filter to a key; "" for nothing.
func checkTopic(filter string, nodeIDs []string) string {
	if err := wire.CheckFilter(filter); err != nil {
		return err.Error()
	}
	may := grantable(nodeIDs)
	if slices.ContainsFunc(may, func(g string) bool { return wire.Covers(g, filter) }) {
		return ""
	}
	if len(nodeIDs) > 0 {
		return "a key that is bound to nodes may read status and info of these nodes, and lucid/v1/ledger/head, only"
	}
	return "must be within one of " + strings.Join(may, ", ")
}

// GrantTopic lets a key read what matches a filter. Doing it again changes
// nothing.
func (s *Store) GrantTopic(ctx context.Context, by audit.By, keyID, filter string) (TopicGrant, error) {
	grant := TopicGrant{Filter: filter, CreatedAt: s.now().UTC().Truncate(time.Microsecond)}
	err := db.InTx(ctx, s.pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		key, err := lockKey(ctx, q, keyID)
		if err != nil {
			return err
		}
		if problem := checkTopic(filter, key.NodeIds); problem != "" {
			return fault.New(fault.Validation, "the topics cannot be granted").WithFields(fault.Field{Name: "filter", Reason: problem})
		}
		there, err := q.TopicGrants(ctx, keyID)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(there, func(g sqlgen.TopicGrantsRow) bool { return g.Filter == filter }); i >= 0 {
			grant = grantOf(there[i])
			same := map[string]string{"filter": filter}
			return audit.Write(ctx, tx, by.Record("apikey.grant", keyID, same, same))
		}
		if len(there) >= mostGrants {
			return fault.New(fault.StateNotAllowed, "%s has %d grants, which is the most", keyID, len(there))
		}
		grant.No, err = q.InsertTopicGrant(ctx, sqlgen.InsertTopicGrantParams{KeyID: keyID, Filter: filter, CreatedAt: grant.CreatedAt})
		if err != nil {
			return err
		}
		return audit.Write(ctx, tx, by.Record("apikey.grant", keyID, nil, map[string]string{"filter": filter}))
	})
	if err != nil {
		return TopicGrant{}, fmt.Errorf("grant topics to %s: %w", keyID, err)
	}
	return grant, nil
}

func lockKey(ctx context.Context, q *sqlgen.Queries, keyID string) (sqlgen.ApiKey, error) {
	key, err := q.LockKey(ctx, keyID)
	if errors.Is(err, pgx.ErrNoRows) {
		return key, fault.New(fault.OtherNotFound, "no API key %s", keyID)
	}
	return key, err
}

// TopicGrants lists what a key may read.
func (s *Store) TopicGrants(ctx context.Context, keyID string) ([]TopicGrant, error) {
	if _, err := s.query.KeyByID(ctx, keyID); errors.Is(err, pgx.ErrNoRows) {
		return nil, fault.New(fault.OtherNotFound, "no API key %s", keyID)
	} else if err != nil {
		return nil, fmt.Errorf("read API key %s: %w", keyID, err)
	}
	rows, err := s.query.TopicGrants(ctx, keyID)
	if err != nil {
		return nil, fmt.Errorf("list grants of %s: %w", keyID, err)
	}
	grants := make([]TopicGrant, len(rows))
	for i, r := range rows {
		grants[i] = grantOf(r)
	}
	return grants, nil
}

func grantOf(r sqlgen.TopicGrantsRow) TopicGrant { return TopicGrant{r.GrantNo, r.Filter, r.CreatedAt} }

// RevokeTopic takes a grant back.
func (s *Store) RevokeTopic(ctx context.Context, by audit.By, keyID, grantID string) error {
	no, _ := strconv.ParseInt(strings.TrimPrefix(grantID, grantMark), 10, 64) // what is no number is no grant's
	err := db.InTx(ctx, s.pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		if _, err := lockKey(ctx, q, keyID); err != nil {
			return err
		}
		filter, err := q.DeleteTopicGrant(ctx, sqlgen.DeleteTopicGrantParams{KeyID: keyID, GrantNo: no})
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.New(fault.OtherNotFound, "%s has no grant %s", keyID, grantID)
		} else if err != nil {
			return err
		}
		return audit.Write(ctx, tx, by.Record("apikey.ungrant", keyID, map[string]string{"filter": filter}, nil))
	})
	if err != nil {
		return fmt.Errorf("take back %s of %s: %w", grantID, keyID, err)
	}
	return nil
}

// AuthenticateReader checks the login of an integration over MQTT and gives the
// filters within which it may read. Failures count against the address as those
// of people do.
func (s *Store) AuthenticateReader(ctx context.Context, keyID string, secret []byte, from netip.Addr) ([]string, error) {
	now, address := s.now(), watchedAddress(from)
	if wait := s.addresses.begin(address, now); wait > 0 {
		return nil, tooSoon(wait, "too many failed logins from this address; wait")
	}
	filters, err := s.readerOf(ctx, keyID, secret, now)
	if err == nil || fault.As(err).Code.Kind == fault.Internal {
		s.addresses.undo(address)
	}
	return filters, err
}

func (s *Store) readerOf(ctx context.Context, keyID string, secret []byte, now time.Time) ([]string, error) {
	if !wellFormedKey(string(secret)) {
		return nil, errRefused()
	}
	p, _, err := s.verifyKey(ctx, string(secret), sha256.Sum256(secret))
	if err != nil {
		return nil, err
	}
	if p.ID != keyID {
		return nil, errRefused()
	}
	live, err := s.ReaderFilters(ctx, []string{keyID})
	if err != nil {
		return nil, err
	}
	if len(live[keyID]) == 0 {
		return nil, fault.New(fault.RoleTooLow, "%s was granted no topics", keyID)
	}
	return live[keyID], nil
}

// ReaderFilters gives what each key may read now; one that is revoked, expired
// or without grants is not among them.
func (s *Store) ReaderFilters(ctx context.Context, keyIDs []string) (map[string][]string, error) {
	rows, err := s.query.LiveFilters(ctx, sqlgen.LiveFiltersParams{KeyIds: keyIDs, At: s.now()})
	if err != nil {
		return nil, fmt.Errorf("read granted topics: %w", err)
	}
	filters := map[string][]string{}
	for _, r := range rows {
		filters[r.KeyID] = append(filters[r.KeyID], r.Filter)
	}
	return filters, nil
}
