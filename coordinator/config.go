package coordinator

import (
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"lucid.internal/coordinator/internal/ledger"
)

// Config holds every setting of the coordinator. Each field carries its own
// description, from which docs/configuration.md and .env.example are made:
//
//	toml     its name in the file, inside its section's table
//	env      its environment variable
//	default  its value when nobody sets it, as text
//	dev      the same under the dev profile, when it differs
//	help     one line for people
//
// A Config that Load returned has passed every check of config_check.go.
type Config struct {
	DataDir     string   `toml:"data_dir" env:"LUCID_DATA_DIR" default:"/var/lib/lucid-coordinator" dev:"./.lucid" help:"Folder of what must survive a restart: the master key and, in dev, the private database."`
	DataMinFree int      `toml:"data_min_free_mib" env:"LUCID_DATA_MIN_FREE_MIB" default:"256" help:"MiB that the data folder's disk must have free for /ready to say so; 0: any number."`
	MasterKey   Secret   `toml:"master_key" env:"LUCID_MASTER_KEY" help:"Key that seals all other secrets, 32 bytes in hexadecimal or base64; while it is rotated, the old and the new one with a blank between. Empty: DIR/master.key, made at the first start with mode 0600."`
	PublicHosts []string `toml:"public_hosts" env:"LUCID_PUBLIC_HOSTS" help:"Names and IP addresses by which agents and people reach this coordinator; its certificates carry them."`

	API       APIConfig       `toml:"api" help:"REST API"`
	MQTT      MQTTConfig      `toml:"mqtt" help:"MQTT broker"`
	Database  DatabaseConfig  `toml:"database" help:"Postgres"`
	Log       LogConfig       `toml:"log" help:"Log"`
	Node      NodeConfig      `toml:"node" help:"Nodes"`
	Pool      PoolConfig      `toml:"pool" help:"Pools"`
	Alert     AlertConfig     `toml:"alert" help:"Alerts"`
	Poot      PootConfig      `toml:"poot" help:"Proof of ownership of token"`
	Vetting   VettingConfig   `toml:"vetting" help:"Vetting of new nodes"`
	Epoch     EpochConfig     `toml:"epoch" help:"Epochs"`
	Payout    PayoutConfig    `toml:"payout" help:"Payouts"`
	Tron      TronConfig      `toml:"tron" help:"Payouts over TRON"`
	Retention RetentionConfig `toml:"retention" help:"Retention"`
}

// APIConfig says where and how the REST API listens.
type APIConfig struct {
	Host           string         `toml:"host" env:"LUCID_NODE_API_HOST" default:"0.0.0.0" dev:"127.0.0.1" help:"Address to listen on."`
	Port           int            `toml:"port" env:"LUCID_NODE_API_PORT" default:"8095" help:"Port to listen on; 0 takes any free one."`
	TLS            string         `toml:"tls" env:"LUCID_API_TLS" default:"own" dev:"off" help:"own: certificate of the project's own CA. files: cert_file and key_file. off: plain HTTP, only on loopback or behind a proxy named in trusted_proxies."`
	CertFile       string         `toml:"cert_file" env:"LUCID_API_TLS_CERT" help:"Certificate chain in PEM, for tls = files."`
	KeyFile        string         `toml:"key_file" env:"LUCID_API_TLS_KEY" help:"Private key in PEM, for tls = files."`
	IssuersFile    string         `toml:"issuers_file" env:"LUCID_API_ISSUERS_FILE" help:"TOML file of outside issuers whose tokens are taken, a table [[issuer]] for each: name, issuer, audience, jwks_url, algorithm, role_claim, roles. Empty: none."`
	TrustedProxies []netip.Prefix `toml:"trusted_proxies" env:"LUCID_TRUSTED_PROXIES" help:"Addresses or networks of the proxies whose X-Forwarded-For and X-Forwarded-Proto are believed."`
	TrustedHosts   []string       `toml:"trusted_hosts" env:"LUCID_TRUSTED_HOSTS" dev:"*" help:"Host names that requests may be for; others get 421, but for /health and /ready. Empty: those of public_hosts and of this machine itself. *: any."`
	CORSOrigins    []string       `toml:"cors_origins" env:"LUCID_CORS_ORIGINS" help:"Origins whose pages may read the API's answers in a browser, like https://fleet.example. Empty: none."`
	RateAnonymous  int            `toml:"rate_anonymous" env:"LUCID_RATE_ANONYMOUS" default:"100" dev:"0" help:"Requests a minute from one address (IPv6: network of 64 bits) without a good credential; 0: any number."`
	RateUser       int            `toml:"rate_user" env:"LUCID_RATE_USER" default:"1000" dev:"0" help:"Requests a minute of one user or API key; 0: any number."`
	RateService    int            `toml:"rate_service" env:"LUCID_RATE_SERVICE" default:"10000" dev:"0" help:"The same of one with role service or admin; 0: any number."`
}

// TLS modes of the API.
const (
	TLSOwn   = "own"
	TLSFiles = "files"
	TLSOff   = "off"
)

// Addr is host:port of the API's listener.
func (c APIConfig) Addr() string { return net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) }

// MQTTConfig says where the broker listens.
type MQTTConfig struct {
	Addr      string `toml:"addr" env:"LUCID_MQTT_ADDR" default:":8883" dev:"127.0.0.1:8883" help:"TLS address of the broker, host:port."`
	PlainAddr string `toml:"plain_addr" env:"LUCID_MQTT_PLAIN_ADDR" help:"Second address without TLS, loopback only. Empty: none."`

	RateConnect     int `toml:"rate_connect" env:"LUCID_MQTT_RATE_CONNECT" default:"1000" dev:"0" help:"Connections a minute from one address (IPv6: network of 64 bits) to the broker's TLS address; 0: any number."`
	RateFailedLogin int `toml:"rate_failed_login" env:"LUCID_MQTT_RATE_FAILED_LOGIN" default:"20" dev:"0" help:"Wrong MQTT passwords a minute from one; then only nodes that logged in from there before are checked. 0: any number."`

	Broker         string `toml:"broker" env:"LUCID_MQTT_BROKER" default:"embedded" help:"embedded: this coordinator is the broker. external: another one is, which several coordinators share; nodes are told to find it at the port of addr. docs/broker.md."`
	BrokerURL      string `toml:"broker_url" env:"LUCID_MQTT_BROKER_URL" help:"Where coordinators find an external broker: ssl://host:port, or tcp://host:port on loopback."`
	BrokerPassword Secret `toml:"broker_password" env:"LUCID_MQTT_BROKER_PASSWORD" help:"Password of the coordinators at an external broker; their user is lucid-coordinator."`
}

// Brokers.
const (
	BrokerEmbedded = "embedded"
	BrokerExternal = "external"
)

// DatabaseConfig says which Postgres to use. The dev profile starts a private
// one when both are empty.
type DatabaseConfig struct {
	URL      Secret `toml:"url" env:"LUCID_DATABASE_URL" help:"Connection string, postgres://... or key=value pairs. serve needs it or name; without them dev starts a private server."`
	OwnerURL Secret `toml:"owner_url" env:"LUCID_DATABASE_OWNER_URL" help:"Connection string of the role that owns the tables and migrates them; url's role then owns none and cannot write past the ledger's rules. Empty: url's role does both."`
	Name     string `toml:"name" env:"LUCID_DATABASE_NAME" help:"Database name, when libpq's own variables (PGHOST, PGUSER, PGPASSWORD, ...) say the rest."`
}

// ConnString is what a connection pool is opened with; empty when no server
// was named.
func (c DatabaseConfig) ConnString() string {
	if c.Name != "" {
		// libpq's quoting: a backslash before ' and \.
		return "dbname='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(c.Name) + "'"
	}
	return string(c.URL)
}

// LogConfig says what is logged, and how.
type LogConfig struct {
	Level  slog.Level `toml:"level" env:"LUCID_LOG_LEVEL" default:"INFO" help:"DEBUG, INFO, WARN or ERROR."`
	Format string     `toml:"format" env:"LUCID_LOG_FORMAT" default:"auto" help:"json, text, or auto: text on a terminal and json elsewhere."`
}

// NodeConfig says how long nodes have for what they are told.
type NodeConfig struct {
	CommandTimeout time.Duration `toml:"command_timeout" env:"LUCID_NODE_COMMAND_TIMEOUT" default:"60s" help:"Time that a node has to confirm start or stop; then its status is error. From 1s to 1h."`
	KeyAge         time.Duration `toml:"key_age" env:"LUCID_NODE_KEY_AGE" default:"2160h" help:"Age at which a node's key is rotated; 0, and behind an external broker: only when an operator asks. Else from 1h to 87600h."`
	KeyOverlap     time.Duration `toml:"key_overlap" env:"LUCID_NODE_KEY_OVERLAP" default:"24h" help:"Time that the key before a rotation stays good. From 15m, the longest validity of a challenge, to 720h."`
}

// PoolConfig says what holds for all pools.
type PoolConfig struct {
	MaxNodes       int           `toml:"max_nodes" env:"LUCID_MAX_NODES_PER_POOL" default:"100" help:"Places that a pool may have; never more than 100."`
	MinNodes       int           `toml:"min_nodes" env:"LUCID_MIN_NODES_PER_POOL" default:"3" dev:"1" help:"Online nodes that make a healthy pool; moves leave no fewer."`
	HealthInterval time.Duration `toml:"health_check_interval" env:"LUCID_POOL_HEALTH_CHECK_INTERVAL" default:"60s" dev:"10s" help:"Gap between two checks of the pools' health."`
	AutoAssign     bool          `toml:"auto_assign" env:"LUCID_POOL_AUTO_ASSIGN" default:"true" help:"Puts a new node whose token names no pool into the one with most room that fits its type and region."`
	AutoBalance    bool          `toml:"auto_balance" env:"LUCID_POOL_AUTO_BALANCE" default:"false" help:"Applies the proposed moves between pools after each health check, ten at most; else an operator does."`
}

// AlertConfig says where alerts may be sent.
type AlertConfig struct {
	WebhookLinkLocal bool `toml:"webhook_link_local" env:"LUCID_ALERT_WEBHOOK_LINK_LOCAL" default:"false" help:"Lets webhooks reach link-local addresses and those at which clouds tell their machines secrets."`
}

// PootConfig shapes the challenges.
type PootConfig struct {
	Interval   time.Duration `toml:"interval" env:"LUCID_POOT_CALCULATION_INTERVAL" default:"300s" dev:"10s" help:"Mean gap between two challenges of a node."`
	Deadline   time.Duration `toml:"deadline" env:"LUCID_POOT_CHALLENGE_DEADLINE" default:"30s" dev:"5s" help:"Time to answer; at most half of interval."`
	Validity   time.Duration `toml:"validity" env:"LUCID_POOT_CHALLENGE_VALIDITY" default:"2m" dev:"10s" help:"Until then an answer counts as late, afterwards as missed; at most 15m."`
	Puzzles    int           `toml:"puzzles" env:"LUCID_POOT_PUZZLES" default:"8" help:"Puzzles in a challenge."`
	Difficulty int           `toml:"difficulty" env:"LUCID_POOT_DIFFICULTY" default:"-1" dev:"14" help:"Bits to search for each puzzle, of all nodes for which neither they nor their pool say otherwise; 0 is a plain HMAC. -1: as each node's model and speed allow, for some 200 ms of one thread."`
}

// VettingConfig says how long a new node's earnings are held.
type VettingConfig struct {
	Challenges int `toml:"challenges" env:"LUCID_VETTING_CHALLENGES" default:"100" dev:"3" help:"Verdicts a node needs before its earnings are released."`
	Days       int `toml:"days" env:"LUCID_VETTING_DAYS" default:"7" dev:"0" help:"Days since its first verdict that it needs as well."`
}

// EpochConfig says how often rewards are shared out.
type EpochConfig struct {
	Length time.Duration `toml:"length" env:"LUCID_EPOCH" default:"1h" dev:"1m" help:"Length of an epoch, whole seconds."`
	Grace  time.Duration `toml:"grace" env:"LUCID_EPOCH_GRACE" default:"2m" dev:"3s" help:"Wait between an epoch's end and its closing; shorter than length."`
	// DailyCap bounds what one node costs while nobody has looked at it yet.
	DailyCap ledger.Amount `toml:"daily_cap_usdt" env:"LUCID_EPOCH_DAILY_CAP_USDT" default:"1000" help:"Most that a node earns in a UTC day; what is beyond stays unallocated. 0: no bound."`
}

// PayoutConfig holds the rules of money leaving. Amounts are exact.
type PayoutConfig struct {
	Rail       string        `toml:"rail" env:"LUCID_PAYOUT_RAIL" default:"manual" help:"manual: an operator pays elsewhere and records it. tron: the coordinator sends USDT over TRON; docs/tron.md."`
	Interval   time.Duration `toml:"interval" env:"LUCID_PAYOUT_PROCESSING_INTERVAL" default:"1h" dev:"10s" help:"Gap between two payout rounds."`
	Threshold  ledger.Amount `toml:"threshold_usdt" env:"LUCID_PAYOUT_THRESHOLD_USDT" default:"10" help:"Payable balance from which a node is paid."`
	FeePercent BasisPoints   `toml:"fee_percent" env:"LUCID_PAYOUT_FEE_PERCENT" default:"1" help:"Fee, with at most two decimals."`
	FeeMin     ledger.Amount `toml:"fee_min_usdt" env:"LUCID_PAYOUT_FEE_MIN_USDT" default:"0" help:"Least fee of a payout."`
	FeeMax     ledger.Amount `toml:"fee_max_usdt" env:"LUCID_PAYOUT_FEE_MAX_USDT" default:"0" help:"Most fee of a payout; 0: no limit."`
	Min        ledger.Amount `toml:"min_usdt" env:"LUCID_PAYOUT_MIN_USDT" default:"1" help:"Least amount of a payout."`
	Max        ledger.Amount `toml:"max_usdt" env:"LUCID_PAYOUT_MAX_USDT" default:"10000" help:"Most amount of a payout."`
	Approval   ledger.Amount `toml:"approval_usdt" env:"LUCID_PAYOUT_APPROVAL_USDT" default:"1000" help:"Sum of what one user or key asks for in 24 hours from which a second person must approve; 0: never."`

	OwnAddresses []string `toml:"own_addresses" env:"LUCID_PAYOUT_OWN_ADDRESSES" help:"The project's own TRON addresses, which are never paid to."`
}

// RetentionConfig says how long samples and their rollups are kept.
type RetentionConfig struct {
	Raw            time.Duration `toml:"raw" env:"LUCID_RETENTION_RAW" default:"168h" help:"Age at which single samples are dropped, a day's partition at a time. A node that was offline delivers samples up to this age; what is older is refused."`
	OneMinute      time.Duration `toml:"1m" env:"LUCID_RETENTION_1M" default:"720h" help:"The same of rollups of a minute; no rollups are kept shorter than single samples."`
	FiveMinutes    time.Duration `toml:"5m" env:"LUCID_RETENTION_5M" default:"4320h" help:"Of rollups of 5 minutes; these and the longer ones are dropped a month at a time."`
	FifteenMinutes time.Duration `toml:"15m" env:"LUCID_RETENTION_15M" default:"4320h" help:"Of rollups of 15 minutes."`
	OneHour        time.Duration `toml:"1h" env:"LUCID_RETENTION_1H" default:"17520h" help:"Of rollups of an hour."`
}

// Profile chooses a column of defaults.
type Profile string

// Profiles: serve is production, dev is a private fleet on one machine.
const (
	ProfileServe Profile = "serve"
	ProfileDev   Profile = "dev"
)
