# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_torchat_global_optspecs
    string join \n socket= token-file= start json raw h/help V/version
end

function __fish_torchat_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_torchat_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_torchat_using_subcommand
    set -l cmd (__fish_torchat_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c torchat -n "__fish_torchat_needs_command" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_needs_command" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_needs_command" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_needs_command" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_needs_command" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_needs_command" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_needs_command" -s V -l version -d 'Print version'
complete -c torchat -n "__fish_torchat_needs_command" -f -a "host" -d 'Print your onion'
complete -c torchat -n "__fish_torchat_needs_command" -f -a "whoami" -d 'Print who the daemon thinks you are, and what you may do'
complete -c torchat -n "__fish_torchat_needs_command" -f -a "send" -d 'Send a text; returns when the daemon, or the peer, has stored it'
complete -c torchat -n "__fish_torchat_needs_command" -f -a "recv" -d 'Print unread messages and mark them as read'
complete -c torchat -n "__fish_torchat_needs_command" -f -a "legacy" -d 'Print messages from TORchat programs of 2016-17 and remove them from the queue; nothing proves who wrote them'
complete -c torchat -n "__fish_torchat_needs_command" -f -a "history" -d 'Print the last messages of a conversation'
complete -c torchat -n "__fish_torchat_needs_command" -f -a "search" -d 'Find messages that hold all the words, newest first'
complete -c torchat -n "__fish_torchat_needs_command" -f -a "peers" -d 'Print who has sent unread messages'
complete -c torchat -n "__fish_torchat_needs_command" -f -a "contacts" -d 'Print your contacts, or change them'
complete -c torchat -n "__fish_torchat_needs_command" -f -a "room" -d 'Print your rooms, or do something in one: make, invite, join, say, moderate'
complete -c torchat -n "__fish_torchat_needs_command" -f -a "conversations" -d 'Print the conversations, the one with the newest message first'
complete -c torchat -n "__fish_torchat_needs_command" -f -a "status" -d 'Print what works, what does not, and what the daemon does about it'
complete -c torchat -n "__fish_torchat_needs_command" -f -a "tail" -d 'Print events as they come: messages, deliveries, links, requests'
complete -c torchat -n "__fish_torchat_needs_command" -f -a "token" -d 'Manage tokens, for programs of other users or with fewer rights'
complete -c torchat -n "__fish_torchat_needs_command" -f -a "export" -d 'Write a whole conversation as text, or with --json as JSON lines'
complete -c torchat -n "__fish_torchat_needs_command" -f -a "logs" -d 'Write the text logs of the conversations that client.toml names, as messages come'
complete -c torchat -n "__fish_torchat_needs_command" -f -a "erase" -d 'Erase a conversation here, or its older part, for good'
complete -c torchat -n "__fish_torchat_needs_command" -f -a "import-log" -d 'Split the file.log of an old TORchat by peer, into files'
complete -c torchat -n "__fish_torchat_needs_command" -f -a "pipe" -d 'Connect standard input and output to a conversation: each line is a message'
complete -c torchat -n "__fish_torchat_needs_command" -f -a "exit" -d 'Stop the daemon'
complete -c torchat -n "__fish_torchat_needs_command" -f -a "completions" -d 'Print the completions for a shell'
complete -c torchat -n "__fish_torchat_needs_command" -f -a "complete-peers" -d 'Print the words that a shell can complete a PEER with'
complete -c torchat -n "__fish_torchat_needs_command" -f -a "doctor" -d 'Check everything from the socket to Tor, and say what is wrong and what to do'
complete -c torchat -n "__fish_torchat_using_subcommand host" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand host" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand host" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand host" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand host" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand host" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand whoami" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand whoami" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand whoami" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand whoami" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand whoami" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand whoami" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand send" -l wait -d 'Return only when the peer has it, not just the daemon' -r -f -a "delivered\t'The peer has stored the message'"
complete -c torchat -n "__fish_torchat_using_subcommand send" -l timeout -d 'How long to wait for that' -r
complete -c torchat -n "__fish_torchat_using_subcommand send" -l expire -d 'Give up if it is not delivered within this number of seconds' -r
complete -c torchat -n "__fish_torchat_using_subcommand send" -l id -d 'A key that you choose: the same key within 30 days means the same message, which is not sent twice' -r
complete -c torchat -n "__fish_torchat_using_subcommand send" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand send" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand send" -s q -l quiet -d 'Say nothing if the same message was sent before under this --id'
complete -c torchat -n "__fish_torchat_using_subcommand send" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand send" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand send" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand send" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c torchat -n "__fish_torchat_using_subcommand recv" -s p -l peer -d 'Of this peer only; may be given several times' -r -f -a "(torchat complete-peers peer 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand recv" -s c -l consumer -d 'The daemon remembers under this name how far you have read, independent of read marks; begins now' -r
complete -c torchat -n "__fish_torchat_using_subcommand recv" -l from -d 'Where a new consumer begins' -r -f -a "now\t'After the last event'
start\t'At the oldest event that the daemon still knows'"
complete -c torchat -n "__fish_torchat_using_subcommand recv" -s n -l count -d 'End after this number of messages' -r
complete -c torchat -n "__fish_torchat_using_subcommand recv" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand recv" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand recv" -s f -l follow -d 'Wait for more; survives restarts of the daemon'
complete -c torchat -n "__fish_torchat_using_subcommand recv" -l no-wait -d 'With --follow: end with 3 if no daemon runs yet, instead of waiting for one'
complete -c torchat -n "__fish_torchat_using_subcommand recv" -s k -l keep -d 'Do not mark as read'
complete -c torchat -n "__fish_torchat_using_subcommand recv" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand recv" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand recv" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand recv" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c torchat -n "__fish_torchat_using_subcommand legacy" -s n -l count -d 'End after this number of messages' -r
complete -c torchat -n "__fish_torchat_using_subcommand legacy" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand legacy" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand legacy" -s k -l keep -d 'Leave the messages in the queue'
complete -c torchat -n "__fish_torchat_using_subcommand legacy" -s a -l all -d 'Print all that the daemon still has, even those that were removed from the queue; removes nothing'
complete -c torchat -n "__fish_torchat_using_subcommand legacy" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand legacy" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand legacy" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand legacy" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand history" -s n -l count -d 'How many messages' -r
complete -c torchat -n "__fish_torchat_using_subcommand history" -l before -d 'Messages before the one with this number' -r
complete -c torchat -n "__fish_torchat_using_subcommand history" -l after -d 'Messages after the one with this number' -r
complete -c torchat -n "__fish_torchat_using_subcommand history" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand history" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand history" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand history" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand history" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand history" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand search" -s p -l peer -d 'In the conversation with this peer only' -r -f -a "(torchat complete-peers peer 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand search" -s n -l count -d 'How many messages at most' -r
complete -c torchat -n "__fish_torchat_using_subcommand search" -l before -d 'Messages before the one with this number' -r
complete -c torchat -n "__fish_torchat_using_subcommand search" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand search" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand search" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand search" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand search" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand search" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand peers" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand peers" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand peers" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand peers" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand peers" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand peers" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and not __fish_seen_subcommand_from list show add requests accept refuse block unblock rename remove invite verify retain appear" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and not __fish_seen_subcommand_from list show add requests accept refuse block unblock rename remove invite verify retain appear" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and not __fish_seen_subcommand_from list show add requests accept refuse block unblock rename remove invite verify retain appear" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and not __fish_seen_subcommand_from list show add requests accept refuse block unblock rename remove invite verify retain appear" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and not __fish_seen_subcommand_from list show add requests accept refuse block unblock rename remove invite verify retain appear" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and not __fish_seen_subcommand_from list show add requests accept refuse block unblock rename remove invite verify retain appear" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and not __fish_seen_subcommand_from list show add requests accept refuse block unblock rename remove invite verify retain appear" -f -a "list" -d 'Print them; the same as no action'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and not __fish_seen_subcommand_from list show add requests accept refuse block unblock rename remove invite verify retain appear" -f -a "show" -d 'Print what is known here about one of them, and since when they are verified'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and not __fish_seen_subcommand_from list show add requests accept refuse block unblock rename remove invite verify retain appear" -f -a "add" -d 'Make a peer a contact and ask them to accept you'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and not __fish_seen_subcommand_from list show add requests accept refuse block unblock rename remove invite verify retain appear" -f -a "requests" -d 'Print the contact requests'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and not __fish_seen_subcommand_from list show add requests accept refuse block unblock rename remove invite verify retain appear" -f -a "accept" -d 'Accept a contact request'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and not __fish_seen_subcommand_from list show add requests accept refuse block unblock rename remove invite verify retain appear" -f -a "refuse" -d 'Do not show a stranger\'s request again for 30 days; they are not told'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and not __fish_seen_subcommand_from list show add requests accept refuse block unblock rename remove invite verify retain appear" -f -a "block" -d 'Block a peer: they see what every stranger sees; a verified contact loses the mark'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and not __fish_seen_subcommand_from list show add requests accept refuse block unblock rename remove invite verify retain appear" -f -a "unblock" -d 'Unblock a peer, who becomes a stranger'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and not __fish_seen_subcommand_from list show add requests accept refuse block unblock rename remove invite verify retain appear" -f -a "rename" -d 'Give a contact a name; an empty name removes it'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and not __fish_seen_subcommand_from list show add requests accept refuse block unblock rename remove invite verify retain appear" -f -a "remove" -d 'Remove a contact: takes back what waits for them; the history stays; a verified contact loses the mark'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and not __fish_seen_subcommand_from list show add requests accept refuse block unblock rename remove invite verify retain appear" -f -a "invite" -d 'Make an invite: the first person who uses it in time becomes a contact at once'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and not __fish_seen_subcommand_from list show add requests accept refuse block unblock rename remove invite verify retain appear" -f -a "verify" -d 'Compare a contact\'s key with its owner: print the words that both of you must see'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and not __fish_seen_subcommand_from list show add requests accept refuse block unblock rename remove invite verify retain appear" -f -a "retain" -d 'Erase the messages of a conversation here when they are older than a number of days'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and not __fish_seen_subcommand_from list show add requests accept refuse block unblock rename remove invite verify retain appear" -f -a "appear" -d 'Set whether a contact sees you online when there is nothing to deliver'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from list" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from list" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from list" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from list" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from list" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from show" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from show" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from show" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from show" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from show" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from add" -l invite-file -d 'The file with the onion or invite, instead of PEER' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from add" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from add" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from add" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from add" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from add" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from requests" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from requests" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from requests" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from requests" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from requests" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from requests" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from accept" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from accept" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from accept" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from accept" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from accept" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from accept" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from refuse" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from refuse" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from refuse" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from refuse" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from refuse" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from refuse" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from block" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from block" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from block" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from block" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from block" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from block" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from unblock" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from unblock" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from unblock" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from unblock" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from unblock" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from unblock" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from rename" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from rename" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from rename" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from rename" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from rename" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from rename" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from remove" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from remove" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from remove" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from remove" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from remove" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from invite" -l hours -d 'How long it is valid' -r
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from invite" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from invite" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from invite" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from invite" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from invite" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from invite" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from verify" -l words -d 'Compare these words, heard or read from the QR code of the contact\'s screen; -: standard input. With --yes the mark is set only if they are the same' -r
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from verify" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from verify" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from verify" -l yes -d 'They are the same: mark the contact as verified'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from verify" -l undo -d 'Take the mark away'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from verify" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from verify" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from verify" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from retain" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from retain" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from retain" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from retain" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from retain" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from retain" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from appear" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from appear" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from appear" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from appear" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from appear" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from appear" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "list" -d 'Print your rooms; the same as no action'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "show" -d 'Print what is known about one of them'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "members" -d 'Print who is in a room'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "invites" -d 'Print the invites of a room that are outstanding'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "petitions" -d 'Print who asks to become a member'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "new" -d 'Make a room, which you own'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "invite" -d 'Make an invite: the first people who use it in time become members at once'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "uninvite" -d 'End an invite'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "join" -d 'Become a member; returns when the owner\'s daemon has let you in'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "leave" -d 'Leave a room; what was said stays here'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "say" -d 'Say a text in a room'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "tail" -d 'Print the last messages of a room, and what comes'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "role" -d 'Give a member another role'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "remove" -d 'Remove a member'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "mute" -d 'Hide what a member says from now on'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "unmute" -d 'End the mutes of a member'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "redact" -d 'Take a message away from everybody: one of your own, or as a moderator any'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "edit" -d 'Change a message of yours'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "react" -d 'React to a message'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "topic" -d 'Change the topic, as the owner or a moderator'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "set" -d 'Change what a room is called, here or for all, and its rules'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "admit" -d 'Let somebody in who asks'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "deny" -d 'Do not let somebody in who asks; they are not told'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "pardon" -d 'Let invites work again for somebody who was removed'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "transfer" -d 'Hand the room over to a member, who must take it'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "take" -d 'Take a room that its owner hands over to you'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "settle" -d 'Say which of two contradicting lists of your decisions holds, after a backup was restored'
complete -c torchat -n "__fish_torchat_using_subcommand room; and not __fish_seen_subcommand_from list show members invites petitions new invite uninvite join leave say tail role remove mute unmute redact edit react topic set admit deny pardon transfer take settle destroy" -f -a "destroy" -d 'End a room for everybody, and erase it'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from list" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from list" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from list" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from list" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from list" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from show" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from show" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from show" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from show" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from show" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from members" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from members" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from members" -s a -l all -d 'Those, too, who have left or were removed'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from members" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from members" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from members" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from members" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from invites" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from invites" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from invites" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from invites" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from invites" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from invites" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from petitions" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from petitions" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from petitions" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from petitions" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from petitions" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from petitions" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from new" -l topic -d 'What it is about' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from new" -l nick -d 'What you want to be called in it' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from new" -l last -d 'How many of the last messages and decisions newcomers get [default: 1000]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from new" -l keep-days -d 'For how many days all members\' daemons keep what is said [default: no end]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from new" -l joins -d 'What those become who join' -r -f -a "member\t'They read and write'
reader\t'They read'"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from new" -l id -d 'A key that you choose: the same key within 30 days means the same room' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from new" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from new" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from new" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from new" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from new" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from new" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from invite" -l role -d 'What those become who use it [default: member]' -r -f -a "moderator\t'Reads, writes, mutes, redacts, and changes the topic'
member\t'Reads and writes'
reader\t'Reads'"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from invite" -l uses -d 'For how many people; 0: without end' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from invite" -l hours -d 'How long it is valid' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from invite" -l for -d 'Good for this contact, or this onion, only' -r -f -a "(torchat complete-peers contact 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from invite" -l note -d 'What it is for; `room invites` prints it' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from invite" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from invite" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from invite" -l send -d 'Send it to that contact as a message'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from invite" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from invite" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from invite" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from invite" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from uninvite" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from uninvite" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from uninvite" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from uninvite" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from uninvite" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from uninvite" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from join" -l invite-file -d 'The file with the invite, instead of INVITE' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from join" -l nick -d 'What you want to be called in it' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from join" -l last -d 'How many of the last messages and decisions to get at most [default: as the room\'s rules say]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from join" -l wait -d 'How long to wait until you are a member; then the daemon goes on asking, and the command ends with 5' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from join" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from join" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from join" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from join" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from join" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from join" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from leave" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from leave" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from leave" -l forget -d 'Erase what was said here, too'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from leave" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from leave" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from leave" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from leave" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from say" -l wait -d 'Return only when another member\'s daemon has it, not just yours' -r -f -a "delivered\t'The peer has stored the message'"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from say" -l timeout -d 'How long to wait for that' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from say" -l expire -d 'Give up if it was not said to anybody within this number of seconds' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from say" -l id -d 'A key that you choose: the same key within 30 days means the same message, which is not said twice' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from say" -l re -d 'Answer this message: its number, or last' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from say" -l to -d 'Mention this member; may be given several times' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from say" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from say" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from say" -s q -l quiet -d 'Say nothing if the same message was said before under this --id'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from say" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from say" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from say" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from say" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from tail" -s n -l count -d 'How many of the last messages' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from tail" -s c -l consumer -d 'The daemon remembers under this name how far you have read; printed messages never come again' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from tail" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from tail" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from tail" -l no-follow -d 'End after the last message that there is now'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from tail" -l numbers -d 'Print the number of each message, for edit, redact, react and --re'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from tail" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from tail" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from tail" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from tail" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from role" -l wait -d 'How long to wait for another member; then the decision waits in the daemon, and the command ends with 5' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from role" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from role" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from role" -l force -d 'Do not wait until your daemon has met another member\'s: if its store is a restored backup, it may contradict itself'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from role" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from role" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from role" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from role" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from remove" -l wait -d 'How long to wait for another member; then the decision waits in the daemon, and the command ends with 5' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from remove" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from remove" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from remove" -l may-return -d 'An invite lets them in again'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from remove" -l force -d 'Do not wait until your daemon has met another member\'s: if its store is a restored backup, it may contradict itself'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from remove" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from remove" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from remove" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from mute" -l why -d 'A reason, which all members read' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from mute" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from mute" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from mute" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from mute" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from mute" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from mute" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from unmute" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from unmute" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from unmute" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from unmute" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from unmute" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from unmute" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from redact" -l why -d 'A reason, which all members read' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from redact" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from redact" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from redact" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from redact" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from redact" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from redact" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from edit" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from edit" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from edit" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from edit" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from edit" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from edit" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from react" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from react" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from react" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from react" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from react" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from react" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from topic" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from topic" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from topic" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from topic" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from topic" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from topic" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from set" -l alias -d 'Your name for the room, here only; an empty one removes it' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from set" -l nick -d 'What you want to be called in it' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from set" -l notify -d 'Of which messages programs tell you, here only' -r -f -a "all\t'Of all'
mentions\t'Of those that mention you'
none\t'Of none'"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from set" -l name -d 'Its name for all, as the owner' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from set" -l last -d 'How many of the last messages and decisions newcomers get, as the owner' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from set" -l keep-days -d 'For how many days all members\' daemons keep what is said, as the owner' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from set" -l joins -d 'What those become who join, as the owner' -r -f -a "member\t'They read and write'
reader\t'They read'"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from set" -l wait -d 'How long to wait for another member; then the decision waits in the daemon, and the command ends with 5' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from set" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from set" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from set" -l force -d 'Do not wait until your daemon has met another member\'s: if its store is a restored backup, it may contradict itself'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from set" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from set" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from set" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from admit" -l role -d 'As what [default: as the room\'s rules say]' -r -f -a "moderator\t'Reads, writes, mutes, redacts, and changes the topic'
member\t'Reads and writes'
reader\t'Reads'"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from admit" -l wait -d 'How long to wait for another member; then the decision waits in the daemon, and the command ends with 5' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from admit" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from admit" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from admit" -l force -d 'Do not wait until your daemon has met another member\'s: if its store is a restored backup, it may contradict itself'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from admit" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from admit" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from admit" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from admit" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from deny" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from deny" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from deny" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from deny" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from deny" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from deny" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from pardon" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from pardon" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from pardon" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from pardon" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from pardon" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from pardon" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from transfer" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from transfer" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from transfer" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from transfer" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from transfer" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from transfer" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from take" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from take" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from take" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from take" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from take" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from take" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from settle" -l wait -d 'How long to wait for another member; then the decision waits in the daemon, and the command ends with 5' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from settle" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from settle" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from settle" -l force -d 'Do not wait until your daemon has met another member\'s: if its store is a restored backup, it may contradict itself'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from settle" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from settle" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from settle" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from settle" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from destroy" -l why -d 'A reason, which all members read' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from destroy" -l wait -d 'How long to wait for another member; then the decision waits in the daemon, and the command ends with 5' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from destroy" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from destroy" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from destroy" -l force -d 'Do not wait until your daemon has met another member\'s: if its store is a restored backup, it may contradict itself'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from destroy" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from destroy" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from destroy" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from destroy" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand conversations" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand conversations" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand conversations" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand conversations" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand conversations" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand conversations" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand status" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand status" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand status" -s v -l verbose -d 'Also print Tor\'s own words about what is wrong'
complete -c torchat -n "__fish_torchat_using_subcommand status" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand status" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand status" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand status" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand tail" -s e -l event -d 'Of this kind only: received, queued, sent, delivered, failed, withdrawn, read, lost, request, request-gone, contact, link, tor, notice, legacy, erased, room, member, petition, petition-gone, edited, redacted, reacted or voided; may be given several times' -r
complete -c torchat -n "__fish_torchat_using_subcommand tail" -s p -l peer -d 'About this peer only; may be given several times' -r -f -a "(torchat complete-peers peer 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand tail" -l from -d 'Begin after the event with this number, at `start`, or `now`' -r
complete -c torchat -n "__fish_torchat_using_subcommand tail" -s c -l consumer -d 'The daemon remembers under this name how far you have read; printed events never come again' -r
complete -c torchat -n "__fish_torchat_using_subcommand tail" -s n -l count -d 'End after this number of events' -r
complete -c torchat -n "__fish_torchat_using_subcommand tail" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand tail" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand tail" -l no-follow -d 'End after the last event that there is now; without --from, begin at the start'
complete -c torchat -n "__fish_torchat_using_subcommand tail" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand tail" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand tail" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand tail" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand token; and not __fish_seen_subcommand_from create list revoke" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand token; and not __fish_seen_subcommand_from create list revoke" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand token; and not __fish_seen_subcommand_from create list revoke" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand token; and not __fish_seen_subcommand_from create list revoke" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand token; and not __fish_seen_subcommand_from create list revoke" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand token; and not __fish_seen_subcommand_from create list revoke" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand token; and not __fish_seen_subcommand_from create list revoke" -f -a "create" -d 'Make a token, and print it or write it to a file; it is shown once and not stored'
complete -c torchat -n "__fish_torchat_using_subcommand token; and not __fish_seen_subcommand_from create list revoke" -f -a "list" -d 'Print the tokens, without their secrets'
complete -c torchat -n "__fish_torchat_using_subcommand token; and not __fish_seen_subcommand_from create list revoke" -f -a "revoke" -d 'Revoke a token at once and close its connections'
complete -c torchat -n "__fish_torchat_using_subcommand token; and __fish_seen_subcommand_from create" -s r -l right -d 'A right of the token; may be given several times' -r -f -a "read\t'See conversations, contacts, events, the state of the daemon'
send\t'Write to contacts, take back, mark as read'
contacts\t'Decide who is a contact'
rooms\t'Make, join and leave rooms, and decide in them'
admin\t'Everything'"
complete -c torchat -n "__fish_torchat_using_subcommand token; and __fish_seen_subcommand_from create" -s p -l peer -d 'Good for the conversation with this peer only; may be given several times' -r -f -a "(torchat complete-peers peer 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand token; and __fish_seen_subcommand_from create" -l days -d 'Ends after this number of days' -r
complete -c torchat -n "__fish_torchat_using_subcommand token; and __fish_seen_subcommand_from create" -s o -l output -d 'A new file for the token, which only you can read [default: standard output]' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand token; and __fish_seen_subcommand_from create" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand token; and __fish_seen_subcommand_from create" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand token; and __fish_seen_subcommand_from create" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand token; and __fish_seen_subcommand_from create" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand token; and __fish_seen_subcommand_from create" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand token; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c torchat -n "__fish_torchat_using_subcommand token; and __fish_seen_subcommand_from list" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand token; and __fish_seen_subcommand_from list" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand token; and __fish_seen_subcommand_from list" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand token; and __fish_seen_subcommand_from list" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand token; and __fish_seen_subcommand_from list" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand token; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand token; and __fish_seen_subcommand_from revoke" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand token; and __fish_seen_subcommand_from revoke" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand token; and __fish_seen_subcommand_from revoke" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand token; and __fish_seen_subcommand_from revoke" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand token; and __fish_seen_subcommand_from revoke" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand token; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand export" -s o -l output -d 'A new file, which only you can read [default: standard output]' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand export" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand export" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand export" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand export" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand export" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand export" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand logs" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand logs" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand logs" -l once -d 'Write what is missing now, and end'
complete -c torchat -n "__fish_torchat_using_subcommand logs" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand logs" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand logs" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand logs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c torchat -n "__fish_torchat_using_subcommand erase" -l before -d 'Messages of before this day (2026-11-21, where you are) or moment (2026-11-21T09:30:00Z) [default: all]' -r
complete -c torchat -n "__fish_torchat_using_subcommand erase" -l upto -d 'Messages up to the one with this number [default: all]' -r
complete -c torchat -n "__fish_torchat_using_subcommand erase" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand erase" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand erase" -l yes -d 'Do it; without this nothing is erased'
complete -c torchat -n "__fish_torchat_using_subcommand erase" -l dry-run -d 'Print how many messages would be erased, and erase nothing'
complete -c torchat -n "__fish_torchat_using_subcommand erase" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand erase" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand erase" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand erase" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c torchat -n "__fish_torchat_using_subcommand import-log" -l into -d 'A directory for one new file per peer; made if it is missing' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand import-log" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand import-log" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand import-log" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand import-log" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand import-log" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand import-log" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c torchat -n "__fish_torchat_using_subcommand pipe" -l flush -d 'At the end of standard input, wait at most this long until the peer has everything' -r
complete -c torchat -n "__fish_torchat_using_subcommand pipe" -s c -l consumer -d 'The daemon remembers under this name what you have received, instead of beginning now' -r
complete -c torchat -n "__fish_torchat_using_subcommand pipe" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand pipe" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand pipe" -s f -l follow -d 'Go on receiving after standard input has ended'
complete -c torchat -n "__fish_torchat_using_subcommand pipe" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand pipe" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand pipe" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand pipe" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand exit" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand exit" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand exit" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand exit" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand exit" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand exit" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand completions" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand completions" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand completions" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand completions" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand completions" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c torchat -n "__fish_torchat_using_subcommand complete-peers" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand complete-peers" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand complete-peers" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand complete-peers" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand complete-peers" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand complete-peers" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c torchat -n "__fish_torchat_using_subcommand doctor" -l socket -d 'The daemon\'s socket or port [default: the socket in $XDG_DATA_HOME/torchatd]' -r
complete -c torchat -n "__fish_torchat_using_subcommand doctor" -l token-file -d 'A token file that others cannot read: for other users, and for programs with fewer rights' -r -F
complete -c torchat -n "__fish_torchat_using_subcommand doctor" -s v -l verbose -d 'Also print Tor\'s own words about what is wrong'
complete -c torchat -n "__fish_torchat_using_subcommand doctor" -l start -d 'Start torchatd without asking if it does not run'
complete -c torchat -n "__fish_torchat_using_subcommand doctor" -l json -d 'Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records'
complete -c torchat -n "__fish_torchat_using_subcommand doctor" -l raw -d 'Print what others wrote unchanged; it can then control your terminal'
complete -c torchat -n "__fish_torchat_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c torchat -n "__fish_torchat_using_subcommand send" -f -a "(torchat complete-peers peer 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand history" -f -a "(torchat complete-peers peer 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from show" -f -a "(torchat complete-peers contact 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from accept" -f -a "(torchat complete-peers asking 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from refuse" -f -a "(torchat complete-peers asking 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from block" -f -a "(torchat complete-peers contact 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from unblock" -f -a "(torchat complete-peers blocked 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from rename" -f -a "(torchat complete-peers contact 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from remove" -f -a "(torchat complete-peers contact 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from verify" -f -a "(torchat complete-peers contact 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from retain" -f -a "(torchat complete-peers contact 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand contacts; and __fish_seen_subcommand_from appear" -f -a "(torchat complete-peers contact 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from show" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from members" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from invites" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from petitions" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from invite" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from uninvite" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from leave" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from say" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from tail" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from role" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from remove" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from mute" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from unmute" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from redact" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from edit" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from react" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from topic" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from set" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from admit" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from deny" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from pardon" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from transfer" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from take" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from settle" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from destroy" -f -a "(torchat complete-peers room 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand export" -f -a "(torchat complete-peers peer 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand erase" -f -a "(torchat complete-peers peer 2>/dev/null)"
complete -c torchat -n "__fish_torchat_using_subcommand pipe" -f -a "(torchat complete-peers peer 2>/dev/null)"
