# Merge with jq (--slurp): append the features of the second file whose id the first lacks.
(.[0].features | INDEX(.id)) as $known
| .[0] + {features: (.[0].features + [.[1].features[] | select($known[.id] | not)])}
