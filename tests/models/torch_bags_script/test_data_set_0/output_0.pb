	BprobabilityJ$pЉз=€Ќ†=jn‹>ЖKН>ил‘=l®B><јA>E‰>
ї>