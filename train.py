from rnnzoo.run.cli import main

raise SystemExit(main())
